/* The device profile's file: in the cache folder, named by the backend, the device and its driver. */
#ifndef FR_RUN_DEVICE_PROFILE_H
#define FR_RUN_DEVICE_PROFILE_H

#include "plan/plan.h"
#include "plan/profile.h"
#include "run/target.h"

/* What tells a device from others, and from itself with another driver: backend, version, device, driver and features. fr_free; NULL when out
 * of memory, as the names of files. */
char *fr_device_identity(const fr_target *target);
/* FOLDER/WHAT-opencl-AMD-EPYC-0123456789abcdef.json: the device in letters, all of its identity in the hash. */
char *fr_device_file(const char *folder, const char *what, const fr_target *target, const char *identity);
char *fr_device_file_stem(const char *what, const fr_target *target); /* its name, up to the hash */
/* Makes the folder, too. */
fr_status fr_device_file_write(const char *path, const char *text) FR_MUST_CHECK;

typedef struct fr_device_profile {
    char *path;   /* NULL: there is no cache folder */
    char *device; /* backend, version, device, driver and features in one text */
    fr_profile profile;
} fr_device_profile;

/* A file that is missing is an empty profile; so is one that cannot be read or makes no sense, with a warning. */
fr_status fr_device_profile_load(const char *cache_folder, const fr_target *target,
                                 fr_device_profile *out_profile) FR_MUST_CHECK;
void fr_device_profile_free(fr_device_profile *profile);
/* Appears by rename: who reads sees the old one or the new one. */
fr_status fr_device_profile_save(const fr_device_profile *profile) FR_MUST_CHECK;

/* Changes when the file does; "" without one. */
void fr_device_profile_stamp(const char *cache_folder, const fr_target *target, char *out, size_t bytes);

/* Fills in what the profile expects of each entry at the menu's first group, and counts items by what was found: by[match]. */
fr_status fr_menu_expect(const char *cache_folder, const fr_target *target, const fr_steps *steps, fr_menu *menu,
                         int32_t by[3]) FR_MUST_CHECK;

#endif
