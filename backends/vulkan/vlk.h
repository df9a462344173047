/*
 * The Vulkan backend: a runtime for the recipes of backends/gpu. What files share: the nouns of the table.
 *
 * Each device opened is a VkDevice of its own, so that a lost one is left behind with its session. Vulkan 1.1 is the floor;
 * what later versions and extensions add is used where vk_features says that it is there.
 */
#ifndef VULKAN_VLK_H
#define VULKAN_VLK_H

#include <pthread.h>
#include <stdbool.h>

#define VK_NO_PROTOTYPES
#include <volk.h>

#include "common/host_device.h"
#include "gpu/bad.h"

#define VLK_VERSION "1" /* part of every cache key: changes when packing changes; the shaders are hashed beside it */

typedef struct vlk_features { /* asked for and enabled when the device is opened */
    bool timeline;            /* timeline semaphores: 1.2 or VK_KHR_timeline_semaphore */
    bool narrow;              /* storage of 8 and of 16 bits */
    bool half_math;           /* shaderFloat16 */
    bool dot8;                /* shaderIntegerDotProduct, accelerated */
    bool push_descriptors;    /* VK_KHR_push_descriptor */
    bool subgroup_size;       /* VK_EXT_subgroup_size_control: full subgroups of a size we name, in compute shaders */
    bool shuffle;             /* subgroups of a known size can shuffle in compute shaders */
    bool texels;              /* views of a whole large map: maxTexelBufferElements is large enough */
    bool budget;              /* VK_EXT_memory_budget */
    bool matrix;              /* VK_KHR_cooperative_matrix, 16x16x16, f16 x f16 + f32, by subgroups */
} vlk_features;

typedef struct vlk_found { /* a physical device */
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    fr_device_facts facts;
    gpu_traits traits;
    vlk_features features;
    uint32_t subgroup;                        /* size of subgroups; with subgroup_size the one that pipelines ask for */
    uint32_t compute_family, transfer_family; /* the same number when there is no transfer queue of its own */
    uint32_t timestamp_bits;                  /* of the compute family; 0 = no timestamps */
    uint64_t max_texels, max_alloc;           /* of a view; bytes at once */
    uint32_t version;                         /* of its Vulkan, as far as it is used: VK_API_VERSION_1_1 to _1_3 */
    bool is_unified;                          /* all of its memory can be mapped: nothing is staged */
    bool is_portable;                         /* over another API, with less than all of Vulkan */
    fr_status status;                         /* why it cannot be used, with: */
    char why[192];
} vlk_found;

struct fr_driver {
    const fr_host *host;
    void *library; /* the loader */
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger; /* with FOLDRUN_VULKAN_VALIDATION=1 */
    vlk_found *found;                   /* GPUs first, software last */
    uint32_t n_found;
    atomic_bool has_stuck; /* a device was left as it is, at work: its instance stays too */
};

/* A piece of device memory, from a block that others share (memory.c). */
typedef struct vlk_memory {
    VkDeviceMemory memory;
    uint64_t offset, bytes;
    void *mapped; /* the host's address of this piece, or NULL */
    void *block;  /* of the allocator */
} vlk_memory;

typedef struct vlk_heap vlk_heap;           /* memory.c: blocks by memory type */
typedef struct vlk_pipelines vlk_pipelines; /* pipeline.c: what was made on this device, and the cache on disk */

struct fr_device {
    host_device base; /* first, as host_device.h wants it */
    fr_driver *driver;
    const vlk_found *found;
    VkDevice handle;
    struct VolkDeviceTable vk; /* its own entry points */
    VkQueue compute, transfer; /* the same when there is one */
    pthread_mutex_t submit;    /* of both, and of: */
    VkSemaphore timeline;      /* NULL without features.timeline */
    uint64_t submitted;        /* its last value */
    vlk_heap *heap;
    vlk_pipelines *pipelines;
    gpu_bad_list bad; /* candidates whose pipelines the driver does not make */
    atomic_ullong next_serial;
    atomic_int is_lost; /* VK_ERROR_DEVICE_LOST was seen: everything fails from now on */
};

typedef struct vlk_view { /* a texel view of a part of a buffer */
    VkBufferView view;
    uint64_t offset, bytes;
    VkFormat format;
} vlk_view;

struct fr_buffer {
    fr_device *device;
    VkBuffer handle; /* VK_NULL_HANDLE for 0 bytes */
    vlk_memory memory;
    uint64_t bytes;
    uint64_t serial; /* never used twice on a device */
    fr_buffer_kind kind;
    bool is_counted;      /* in the account, as that kind */
    pthread_mutex_t lock; /* of the views */
    vlk_view *views;
    uint32_t n_views, room;
};

/* ---- error.c ------------------------------------------------------------------------------------------------------- */

/* FR_OK for VK_SUCCESS; else one sentence: the VkResult's name, the call, what it was for (a kernel, a buffer), one hint;
 * the engine's code for it. DEVICE_LOST marks the device (NULL before there is one). */
fr_status vlk_check(fr_device *device, const fr_host *host, VkResult result, const char *call,
                    const char *what) FR_MUST_CHECK;
const char *vlk_result_name(VkResult result);

/* ---- instance.c: the loader, and what all devices share ------------------------------------------------------------ */

fr_status vlk_instance_open(fr_driver *driver) FR_MUST_CHECK;
void vlk_instance_close(fr_driver *driver); /* takes one half opened */

/* ---- driver.c, facts.c: what there is -------------------------------------------------------------------------- */

fr_status vlk_driver_open(const fr_host *host, fr_driver **out_driver);
void vlk_driver_close(fr_driver *driver);
fr_status vlk_device_count(fr_driver *driver, uint32_t *out_count);
fr_status vlk_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
void vlk_facts_fill(const fr_driver *driver, vlk_found *found); /* physical is set */

/* ---- device.c ---------------------------------------------------------------------------------------------------- */

fr_status vlk_device_open(fr_driver *driver, uint32_t index, fr_device **out_device);
void vlk_device_close(fr_device *device);

/* ---- submit.c ---------------------------------------------------------------------------------------------------- */

fr_status vlk_submits_new(fr_device *device);
void vlk_submits_free(fr_device *device);

/* ---- memory.c, buffer.c ------------------------------------------------------------------------------------------ */

/* All memory that is mapped is coherent: nothing is flushed. */

fr_status vlk_heap_new(fr_device *device);
void vlk_heap_free(fr_device *device);
typedef enum vlk_place { VLK_ON_DEVICE, VLK_UPLOAD, VLK_READBACK } vlk_place; /* the last two are mapped */
fr_status vlk_memory_new(fr_device *device, const VkMemoryRequirements *needs, vlk_place place, const char *what,
                         vlk_memory *out_memory) FR_MUST_CHECK;
void vlk_memory_free(fr_device *device, vlk_memory *memory);

fr_status vlk_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer);
/* Without an account, and of any place: staging, packed weights. */
fr_status vlk_buffer_make(fr_device *device, vlk_place place, uint64_t bytes, const char *what,
                          fr_buffer **out_buffer) FR_MUST_CHECK;
void vlk_buffer_free(fr_buffer *buffer);
void *vlk_buffer_map(fr_buffer *buffer); /* NULL where it is not mapped */
/* Filled from the host before it returns: mapped memory directly, else staged, by the transfer queue where there is one. */
fr_status vlk_buffer_fill(fr_buffer *buffer, const void *data, uint64_t bytes) FR_MUST_CHECK;
/* The view of that part, made once. */
fr_status vlk_buffer_view(fr_buffer *buffer, uint64_t offset, uint64_t bytes, VkFormat format,
                          VkBufferView *out_view) FR_MUST_CHECK;
fr_status vlk_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes,
                            const char *what) FR_MUST_CHECK;

/* ---- queue.c ----------------------------------------------------------------------------------------------------- */

fr_status vlk_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue);
void vlk_queue_close(fr_queue *queue);
fr_status vlk_sync(fr_queue *queue);
fr_status vlk_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes);
fr_status vlk_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes);
fr_status vlk_event_new(fr_device *device, fr_event **out_event);
void vlk_event_free(fr_event *event);
fr_status vlk_record(fr_queue *queue, fr_event *event);
fr_status vlk_wait(fr_event *event);
fr_status vlk_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns);

/* ---- pipeline.c: shader modules and pipelines, made once a device, and the driver's cache of them on disk ----------- */

typedef struct vlk_pipeline { /* owned by the device */
    VkPipeline handle;
    VkPipelineLayout layout;
    VkDescriptorSetLayout set;
    char name[48]; /* of the kernel, for sentences */
} vlk_pipeline;

fr_status vlk_pipelines_new(fr_device *device);
void vlk_pipelines_free(fr_device *device); /* writes the driver's cache to disk when it has grown */
/* FR_UNSUPPORTED with *out_bad when the driver does not make it. */
fr_status vlk_pipeline_get(fr_device *device, const gpu_dispatch *dispatch, const vlk_pipeline **out_pipeline,
                           bool *out_bad) FR_MUST_CHECK;
/* Whether a shader of that name was built in. */
bool vlk_has_shader(const char *kernel, bool narrow);
const char *vlk_version(void); /* VLK_VERSION and a hash of all shaders */

/* ---- program.c, launch.c, bundle.c --------------------------------------------------------------------------------- */

fr_status vlk_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count);
fr_status vlk_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program);
void vlk_program_free(fr_program *program);
fr_status vlk_launch(fr_queue *queue, const fr_launch *launch);
fr_status vlk_bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle);
fr_status vlk_bundle_launch(fr_queue *queue, fr_bundle *bundle);
void vlk_bundle_free(fr_bundle *bundle);

#endif
