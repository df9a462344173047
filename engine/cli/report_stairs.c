/* A device's main staircases, out of the profile that its file carries. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/profile.h"
#include "cli/report_charts.h"

/* The library makes staircases of a profile's points; a profile that it does not take has none. */
static bool read_report(const cmp_device *device, fr_device_report *out, bool *out_failed) {
    fr_json_writer w = {0};
    *out = (fr_device_report){0};
    if (!device->profile_root)
        return false;
    fr_json_put_value(&w, device->profile_root);
    *out_failed |= w.text.failed;
    fr_status status = w.text.failed ? FR_NO_MEMORY : fr_profile_parse(w.text.data, w.text.length, out);
    *out_failed |= status == FR_NO_MEMORY;
    fr_text_free(&w.text);
    return status == FR_OK;
}

void cmp_chart_staircase(const cmp_device *device, fr_text *out) {
    const fr_staircase *stairs[FR_PRECISIONS];
    size_t count = 0;
    double y = 0, behind = 0;
    char title[CHART_WORDS];
    fr_device_report report;
    svg s;
    bool fine = read_report(device, &report, &out->failed);
    for (int p = 0; p < FR_PRECISIONS && fine; p++) {
        const fr_staircase *stair = profile_main_stair(&report, (fr_precision)p);
        if (stair)
            stairs[count++] = stair;
    }
    svg_begin_inline(&s, chart_width(count));
    for (size_t i = 0; i < count; i++) {
        chart_place place = chart_place_of(i, count);
        behind = fmax(behind, profile_panel(&s, stairs[i], place.x, y, place.width));
        if (place.last)
            y = behind + 12;
    }
    snprintf(title, sizeof title, "Staircases of %s", device->name[0] ? device->name : device->id);
    if (count > 0)
        svg_end_inline(
            &s, y, title,
            "For each precision the time of a 3x3 convolution, and its rate, as its channels grow; dashed lines "
            "stand at multiples of the channels of a tile.",
            out);
    else
        fr_text_free(&s.text);
    fr_device_report_free(&report);
}
