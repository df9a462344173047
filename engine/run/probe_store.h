/* The probe's file: in the cache folder beside the tuner's, named by the backend, the device and its driver. */
#ifndef FR_RUN_PROBE_STORE_H
#define FR_RUN_PROBE_STORE_H

#include "plan/probe.h"
#include "run/target.h"

enum { FR_PROBE_PATH = 512 };

/* Where it is kept; "" without a cache folder. */
fr_status fr_probe_path(const char *cache_folder, const fr_target *target, char *out, size_t bytes) FR_MUST_CHECK;

/* Of a device. Without a file *out_found is false and the probe is empty; so it is, with a warning, when the file cannot be read or makes
 * no sense. *out_stale: what was found is of another driver of the same device, or of an older backend; the newest such file.
 * Free the probe whatever this answers. */
fr_status fr_probe_load(const char *cache_folder, const fr_target *target, fr_probe *out_probe, bool *out_found,
                        bool *out_stale) FR_MUST_CHECK;
/* A file from anywhere. FR_IO when it cannot be read, FR_INVALID when it is damaged. */
fr_status fr_probe_load_file(const char *path, fr_probe *out_probe) FR_MUST_CHECK;
bool fr_probe_is_stale(const fr_probe *probe); /* another foldrun measured it: with other kernels, perhaps */
/* Appears by rename: who reads sees the old one or the new one. */
fr_status fr_probe_save(const char *path, const fr_probe *probe) FR_MUST_CHECK;

#endif
