/* What a Vulkan device can do in a second: products, reads and writes of each kind, numbers handed round. Not part of the
 * engine: a kernel's distance to these figures is what docs/measurements.md states. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VK_NO_PROTOTYPES
#include <volk.h>

enum { GROUPS = 4096, ITEMS = 64, STEPS = 256, BUFFER_BYTES = 16 << 20, ROUNDS = 9 };

typedef struct limit {
    const char *name, *unit;
    double each_step; /* of an item */
} limit;

static const limit limits[] = {
    {"multiply and add, f32", "GMAC/s", 48},           {"read of a number, storage buffer", "Gnumber/s", 1},
    {"read of four, storage buffer", "Gnumber/s", 4},  {"read of four, texel buffer", "Gnumber/s", 4},
    {"write of four, storage buffer", "Gnumber/s", 4}, {"read of four, shared memory", "Gnumber/s", 4},
    {"write of four, shared memory", "Gnumber/s", 4},  {"shuffle from a constant lane", "Gnumber/s", 4},
};

static void check(VkResult result, const char *call) {
    if (result == VK_SUCCESS)
        return;
    fprintf(stderr, "limits: %s failed: VkResult %d\n", call, (int)result);
    exit(1);
}
#define TRY(call) check(call, #call)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static VkShaderModule read_module(VkDevice device, const char *path) {
    static uint32_t words[1 << 16];
    VkShaderModule module;
    FILE *file = fopen(path, "rb");
    size_t bytes = file ? fread(words, 1, sizeof words, file) : 0;
    if (file)
        fclose(file);
    if (bytes == 0) {
        fprintf(stderr, "limits: cannot read %s\n", path);
        exit(1);
    }
    VkShaderModuleCreateInfo info = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = words};
    TRY(vkCreateShaderModule(device, &info, NULL, &module));
    return module;
}

typedef struct card {
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    VkBuffer buffers[2];
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkCommandBuffer commands;
    VkFence fence;
} card;

static uint32_t memory_type(const card *c, uint32_t allowed) {
    const VkMemoryPropertyFlags wanted[] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0};
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(c->physical, &memory);
    for (int w = 0; w < 2; w++)
        for (uint32_t i = 0; i < memory.memoryTypeCount; i++)
            if (allowed >> i & 1 && (memory.memoryTypes[i].propertyFlags & wanted[w]) == wanted[w])
                return i;
    return 0;
}

static void open_device(card *c, uint32_t index) {
    VkPhysicalDevice all[16];
    uint32_t count = 16, families = 16, family = 0;
    VkQueueFamilyProperties queues[16];
    float priority = 1;
    TRY(volkInitialize());
    VkApplicationInfo about = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1};
    VkInstanceCreateInfo instance_info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &about};
    VkInstance instance;
    TRY(vkCreateInstance(&instance_info, NULL, &instance));
    volkLoadInstance(instance);
    VkResult listed = vkEnumeratePhysicalDevices(instance, &count, all);
    if ((listed != VK_SUCCESS && listed != VK_INCOMPLETE) || index >= count) {
        fprintf(stderr, "limits: there is no Vulkan device %u\n", index);
        exit(1);
    }
    c->physical = all[index];
    vkGetPhysicalDeviceQueueFamilyProperties(c->physical, &families, queues);
    while (family + 1 < families && !(queues[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        family++;
    VkDeviceQueueCreateInfo queue_info = {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = family,
                                          .queueCount = 1, .pQueuePriorities = &priority};
    VkDeviceCreateInfo info = {VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue_info};
    TRY(vkCreateDevice(c->physical, &info, NULL, &c->device));
    volkLoadDevice(c->device);
    vkGetDeviceQueue(c->device, family, 0, &c->queue);
    VkCommandPoolCreateInfo pool_info = {VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                         .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                         .queueFamilyIndex = family};
    VkCommandPool pool;
    TRY(vkCreateCommandPool(c->device, &pool_info, NULL, &pool));
    VkCommandBufferAllocateInfo commands = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = pool,
                                            .commandBufferCount = 1};
    TRY(vkAllocateCommandBuffers(c->device, &commands, &c->commands));
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    TRY(vkCreateFence(c->device, &fence, NULL, &c->fence));
}

static void make_buffers(card *c) {
    for (int i = 0; i < 2; i++) {
        VkBufferCreateInfo info = {VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = BUFFER_BYTES,
                                   .usage =
                                       VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT};
        TRY(vkCreateBuffer(c->device, &info, NULL, &c->buffers[i]));
        VkMemoryRequirements needs;
        vkGetBufferMemoryRequirements(c->device, c->buffers[i], &needs);
        VkMemoryAllocateInfo want = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size,
                                     .memoryTypeIndex = memory_type(c, needs.memoryTypeBits)};
        VkDeviceMemory memory;
        TRY(vkAllocateMemory(c->device, &want, NULL, &memory));
        TRY(vkBindBufferMemory(c->device, c->buffers[i], memory, 0));
    }
}

static void make_bindings(card *c) {
    const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                      VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER};
    VkDescriptorSetLayoutBinding bindings[3];
    for (uint32_t i = 0; i < 3; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){i, types[i], 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    VkDescriptorSetLayoutCreateInfo set_info = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 3,
                                                .pBindings = bindings};
    VkDescriptorSetLayout set;
    TRY(vkCreateDescriptorSetLayout(c->device, &set_info, NULL, &set));
    VkPipelineLayoutCreateInfo layout = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
                                         .pSetLayouts = &set};
    TRY(vkCreatePipelineLayout(c->device, &layout, NULL, &c->layout));
    VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 2},
                                    {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, 1}};
    VkDescriptorPoolCreateInfo pool_info = {VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1,
                                            .poolSizeCount = 2, .pPoolSizes = sizes};
    VkDescriptorPool pool;
    TRY(vkCreateDescriptorPool(c->device, &pool_info, NULL, &pool));
    VkDescriptorSetAllocateInfo want = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorPool = pool,
                                        .descriptorSetCount = 1, .pSetLayouts = &set};
    TRY(vkAllocateDescriptorSets(c->device, &want, &c->set));
    VkBufferViewCreateInfo view_info = {VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO, .buffer = c->buffers[1],
                                        .format = VK_FORMAT_R32G32B32A32_SFLOAT, .range = 65536 * 16};
    VkBufferView view;
    TRY(vkCreateBufferView(c->device, &view_info, NULL, &view));
    for (uint32_t i = 0; i < 3; i++) {
        VkDescriptorBufferInfo buffer = {c->buffers[i % 2], 0, VK_WHOLE_SIZE};
        VkWriteDescriptorSet write = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                      .dstSet = c->set,
                                      .dstBinding = i,
                                      .descriptorCount = 1,
                                      .descriptorType = types[i],
                                      .pBufferInfo = &buffer,
                                      .pTexelBufferView = &view};
        vkUpdateDescriptorSets(c->device, 1, &write, 0, NULL);
    }
}

static VkPipeline make_pipeline(const card *c, const char *folder, int what) {
    char path[512];
    snprintf(path, sizeof path, "%s/limits%d.spv", folder, what);
    VkShaderModule module = read_module(c->device, path);
    VkComputePipelineCreateInfo info = {VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                        .stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                  .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module,
                                                  .pName = "main"},
                                        .layout = c->layout};
    VkPipeline pipeline;
    TRY(vkCreateComputePipelines(c->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    return pipeline;
}

static double seconds_of(const card *c, VkPipeline pipeline) {
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    TRY(vkBeginCommandBuffer(c->commands, &begin));
    vkCmdBindPipeline(c->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(c->commands, VK_PIPELINE_BIND_POINT_COMPUTE, c->layout, 0, 1, &c->set, 0, NULL);
    vkCmdDispatch(c->commands, GROUPS, 1, 1);
    TRY(vkEndCommandBuffer(c->commands));
    VkSubmitInfo submit = {VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &c->commands};
    double least = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        TRY(vkQueueSubmit(c->queue, 1, &submit, c->fence));
        TRY(vkWaitForFences(c->device, 1, &c->fence, VK_TRUE, UINT64_MAX));
        double took = now() - start;
        TRY(vkResetFences(c->device, 1, &c->fence));
        least = took < least ? took : least;
    }
    return least;
}

int main(int argc, char **argv) {
    card c = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: limits FOLDER DEVICE (of the shaders; 0 is the first device)\n");
        return 2;
    }
    open_device(&c, (uint32_t)strtoul(argv[2], NULL, 10));
    make_buffers(&c);
    make_bindings(&c);
    VkPhysicalDeviceProperties about;
    vkGetPhysicalDeviceProperties(c.physical, &about);
    printf("%s\n", about.deviceName);
    for (int i = 0; i < (int)(sizeof limits / sizeof limits[0]); i++) {
        double took = seconds_of(&c, make_pipeline(&c, argv[1], i));
        printf("  %-34s %8.2f %s\n", limits[i].name, limits[i].each_step * STEPS * ITEMS * GROUPS / took * 1e-9,
               limits[i].unit);
    }
    return 0;
}
