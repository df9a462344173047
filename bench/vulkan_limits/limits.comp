#version 450
/* What an item can do in a second: one thing, WHAT (the list in limits.c), STEPS times. Each is a build of its own, so that
 * nothing of the others costs anything. */
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x = 64) in;

layout(std430, binding = 0) buffer made_ { float made[]; };
layout(std430, binding = 0) buffer made4_ { vec4 made4[]; };
layout(std430, binding = 1) readonly buffer given_ { float given[]; };
layout(std430, binding = 1) readonly buffer given4_ { vec4 given4[]; };
layout(binding = 2) uniform samplerBuffer texels;
#if WHAT == 5 || WHAT == 6
shared vec4 near[512];
#endif

const int SUMS = 3; /* vec4; few enough for any register file, enough to hide the latency of a product */

void main() {
    int item = int(gl_LocalInvocationIndex);
    float x = given[item];
    vec4 sums[SUMS];
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(item + i);
#if WHAT == 5 || WHAT == 6
    near[item] = sums[0];
    barrier();
#endif
    for (int k = 0; k < STEPS; k++) {
        int at = (k & 7) * 64 + item;
#if WHAT == 0
        [[unroll]] for (int j = 0; j < 4; j++)
            [[unroll]] for (int i = 0; i < SUMS; i++)
                sums[i] = fma(sums[i], vec4(x), vec4(0.5));
#elif WHAT == 1
        sums[0].x += given[at];
#elif WHAT == 2
        sums[0] += given4[at];
#elif WHAT == 3
        sums[0] += texelFetch(texels, at);
#elif WHAT == 4
        made4[at + int(gl_WorkGroupID.x & 7u) * 512] = sums[0] + vec4(k);
#elif WHAT == 5
        sums[0] += near[at];
#elif WHAT == 6
        near[at] = sums[0] + vec4(k);
#else
        sums[0] += vec4(subgroupShuffle(x, 0), subgroupShuffle(x, 1), subgroupShuffle(x, 2), subgroupShuffle(x, 3));
        x += 1.0;
#endif
    }
#if WHAT == 6
    sums[0] += near[item];
#endif
#if WHAT != 4
    vec4 all = sums[0];
    [[unroll]] for (int i = 1; i < SUMS; i++)
        all += sums[i];
    made[gl_GlobalInvocationID.x] = all.x + all.y + all.z + all.w;
#endif
}
