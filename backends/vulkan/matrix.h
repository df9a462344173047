/* VK_KHR_cooperative_matrix, for headers that are older than it. */
#ifndef VULKAN_MATRIX_H
#define VULKAN_MATRIX_H

#include "vlk.h"

#define VLK_MATRIX_EXTENSION "VK_KHR_cooperative_matrix"

enum { VLK_MATRIX_FEATURES = 1000506000, VLK_MATRIX_PROPERTIES = 1000506001 }; /* of VkStructureType */
enum { VLK_MATRIX_F16 = 0, VLK_MATRIX_F32 = 1 };
enum { VLK_MATRIX_BY_SUBGROUP = 3 };

typedef struct vlk_matrix_features {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
} vlk_matrix_features;

typedef struct vlk_matrix_shape {
    VkStructureType sType;
    void *pNext;
    uint32_t m, n, k;
    int32_t a, b, c, result; /* VkComponentTypeKHR */
    VkBool32 saturates;
    int32_t scope;
} vlk_matrix_shape;

typedef VkResult(VKAPI_PTR *vlk_matrix_shapes_fn)(VkPhysicalDevice physical, uint32_t *count, vlk_matrix_shape *shapes);

#endif
