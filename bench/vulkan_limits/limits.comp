#version 450
/* What an item can do in a second, one thing at a time: WHAT picks it (run's list), STEPS times. */
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x = 64) in;
layout(constant_id = 0) const int WHAT = 0;
layout(constant_id = 1) const int STEPS = 256;

layout(std430, binding = 0) buffer made_ { float made[]; };
layout(std430, binding = 0) buffer made4_ { vec4 made4[]; };
layout(std430, binding = 1) readonly buffer given_ { float given[]; };
layout(std430, binding = 1) readonly buffer given4_ { vec4 given4[]; };
layout(binding = 2) uniform samplerBuffer texels;
shared vec4 near[512];

const int SUMS = 3; /* vec4; few enough for any register file, enough to hide the latency of a product */

void main() {
    int item = int(gl_LocalInvocationIndex);
    vec4 sums[SUMS], v = vec4(given[item]);
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(item + i);
    if (WHAT == 5 || WHAT == 6) {
        near[item] = v;
        barrier();
    }
    for (int k = 0; k < STEPS; k++) {
        int at = (k & 7) * 64 + item;
        if (WHAT == 0)
            [[unroll]] for (int j = 0; j < 4; j++)
                [[unroll]] for (int i = 0; i < SUMS; i++)
                    sums[i] = fma(sums[i], v, vec4(0.5));
        else if (WHAT == 1)
            sums[0].x += given[at];
        else if (WHAT == 2)
            sums[0] += given4[at];
        else if (WHAT == 3)
            sums[0] += texelFetch(texels, at);
        else if (WHAT == 4)
            made4[at + int(gl_WorkGroupID.x & 7u) * 512] = sums[0] + vec4(k);
        else if (WHAT == 5)
            sums[0] += near[at];
        else if (WHAT == 6)
            near[at] = sums[0] + vec4(k);
        else if (WHAT == 7) {
            sums[0] += vec4(subgroupShuffle(v.x, 0), subgroupShuffle(v.x, 1), subgroupShuffle(v.x, 2), subgroupShuffle(v.x, 3));
            v.x += 1.0;
        }
    }
    vec4 all = sums[0];
    [[unroll]] for (int i = 1; i < SUMS; i++)
        all += sums[i];
    if (WHAT == 6)
        all += near[item];
    if (WHAT != 4)
        made[gl_GlobalInvocationID.x] = all.x + all.y + all.z + all.w;
}
