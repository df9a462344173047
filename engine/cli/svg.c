#include "cli/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

/* Series: blue, orange, green, purple, red, grey; told apart by those who see fewer colours, and by markers in grey print. */
static const char style[] =
    "svg{display:block;margin:0 auto;max-width:760px;height:auto;font-family:system-ui,-apple-system,\"Segoe UI\","
    "Roboto,\"DejaVu Sans\",Arial,sans-serif}\n"
    ".title{font-size:17px;font-weight:600}.heading{font-size:14px;font-weight:600}"
    ".words,.muted{font-size:12px}.tick{font-size:11px}\n"
    ".axis,.grid,.rule,.mark{fill:none;stroke-width:1}.mark{stroke-dasharray:2 3}"
    ".limit,.range{fill:none;stroke-width:1.6;stroke-linejoin:round}\n"
    ".line{fill:none;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round}"
    ".dot{fill:currentColor;stroke:currentColor;stroke-width:1.4}.bar{fill:currentColor}"
    ".band{fill:currentColor;opacity:.18}\n"
    ".paper,.dot.hollow{fill:#fff}.title,.heading,.words{fill:#1b1f24}.muted,.tick{fill:#57606a}"
    ".axis,.limit{stroke:#6e7781}.grid{stroke:#e6eaee}.rule{stroke:#c8ced4}.mark{stroke:#98a1ab}.range{stroke:#1b1f24}"
    "\n"
    ".s0{color:#0a5fa8}.s1{color:#b24700}.s2{color:#14784a}.s3{color:#7a3aa8}.s4{color:#b0203c}.s5{color:#57606a}\n"
    "@media screen{svg{background:#fff}}\n"
    "@media screen and (prefers-color-scheme:dark){svg{background:#14171c}\n"
    ".paper,.dot.hollow{fill:#14171c}.title,.heading,.words{fill:#e6eaef}.muted,.tick{fill:#a3adb8}"
    ".axis,.limit{stroke:#7d8894}.grid{stroke:#272d35}.rule{stroke:#3b434d}.mark{stroke:#68727d}.range{stroke:#e6eaef}"
    "\n"
    ".s0{color:#6cb6ff}.s1{color:#f2a65a}.s2{color:#5fd39a}.s3{color:#cda0f5}.s4{color:#ff8fa0}.s5{color:#a3adb8}}\n"
    "@media print{.paper{fill:none}}\n";

/* A coordinate: a tenth of a unit is enough, and keeps files small. */
typedef struct coordinate {
    char text[24];
} coordinate;

static coordinate at(double value) {
    coordinate c;
    int length = snprintf(c.text, sizeof c.text, "%.1f", isfinite(value) && fabs(value) < 1e7 ? value : 0);
    if (length > 2 && strcmp(c.text + length - 2, ".0") == 0)
        c.text[length - 2] = '\0';
    return c;
}

void svg_escape(fr_text *text, const char *words) {
    size_t left = strlen(words);
    while (left > 0) {
        size_t length = fr_utf8_length(words, left);
        unsigned char first = (unsigned char)*words;
        bool noncharacter = length == 3 && first == 0xef && (unsigned char)words[1] == 0xbf &&
                            (unsigned char)words[2] >= 0xbe; /* U+FFFE and U+FFFF */
        const char *instead = *words == '&'                    ? "&amp;"
                              : *words == '<'                  ? "&lt;"
                              : *words == '>'                  ? "&gt;"
                              : *words == '"'                  ? "&quot;"
                              : first == '\t' || first == '\n' ? " "
                              : length == 0 || first < 0x20    ? "?"
                              : noncharacter                   ? "?"
                                                               : NULL;
        if (instead)
            fr_text_add(text, "%s", instead);
        else
            fr_text_add_bytes(text, words, length);
        length = length ? length : 1;
        words += length;
        left -= length;
    }
}

const char *svg_style(void) {
    return style;
}

void svg_begin(svg *s, double width, double height, const char *title, const char *description) {
    *s = (svg){.width = width, .height = height};
    fr_text_add(&s->text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %s %s\" width=\"100%%\" role=\"img\" "
                "aria-labelledby=\"title description\">\n<title id=\"title\">",
                at(width).text, at(height).text);
    svg_escape(&s->text, title);
    fr_text_add(&s->text, "</title>\n<desc id=\"description\">");
    svg_escape(&s->text, description);
    fr_text_add(&s->text, "</desc>\n<style>\n%s</style>\n<rect class=\"paper\" width=\"%s\" height=\"%s\"/>\n", style,
                at(width).text, at(height).text);
}

void svg_begin_inline(svg *s, double width) {
    *s = (svg){.width = width};
}

static void put_names(fr_text *out, const char *title, const char *description) {
    fr_text_add(out, "<title>");
    svg_escape(out, title);
    fr_text_add(out, "</title>\n<desc>");
    svg_escape(out, description);
    fr_text_add(out, "</desc>\n");
}

/* What was drawn. */
static void put_rest(svg *s, fr_text *out) {
    if (s->text.length > 0 && !s->text.failed)
        fr_text_add_bytes(out, s->text.data, s->text.length);
    fr_text_add(out, "</svg>\n");
    out->failed |= s->text.failed;
    fr_text_free(&s->text);
}

void svg_end_inline(svg *s, double height, const char *title, const char *description, fr_text *out) {
    fr_text_add(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %s %s\" width=\"100%%\" role=\"img\"%s>\n",
                at(s->width).text, at(height).text, s->width > SVG_WIDE ? " class=\"wide\"" : "");
    put_names(out, title, description);
    put_rest(s, out);
}

void svg_end_alone(svg *s, double height, const char *title, const char *description, fr_text *out) {
    const double margin = 16;
    coordinate wide = at(s->width + 2 * margin), high = at(height + 2 * margin);
    fr_text_add(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"%s %s %s %s\" width=\"%s\" height=\"%s\" "
                "role=\"img\">\n",
                at(-margin).text, at(-margin).text, wide.text, high.text, wide.text, high.text);
    put_names(out, title, description);
    fr_text_add(out, "<style>\n%ssvg{max-width:none}\n</style>\n", style);
    fr_text_add(out, "<rect class=\"paper\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>\n", at(-margin).text,
                at(-margin).text, wide.text, high.text);
    put_rest(s, out);
}

int svg_end(svg *s, const char *path) {
    fr_text_add(&s->text, "</svg>\n");
    return cli_write_text(path, &s->text);
}

void svg_group(svg *s, const char *name) {
    fr_text_add(&s->text, "<g role=\"group\" aria-label=\"");
    svg_escape(&s->text, name);
    fr_text_add(&s->text, "\">\n");
}

void svg_group_end(svg *s) {
    fr_text_add(&s->text, "</g>\n");
}

static void put_words(svg *s, double x, double y, const char *class, svg_anchor anchor, const char *words) {
    static const char *const anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
    fr_text_add(&s->text, "<text x=\"%s\" y=\"%s\" class=\"%s\"%s", at(x).text, at(y).text, class, anchors[anchor]);
    fr_text_add(&s->text, ">");
    svg_escape(&s->text, words);
    fr_text_add(&s->text, "</text>\n");
}

void svg_words(svg *s, double x, double y, const char *class, svg_anchor anchor, const char *fmt, ...) {
    char words[SVG_WORDS];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(words, sizeof words, fmt, args) < 0)
        words[0] = '\0';
    va_end(args);
    put_words(s, x, y, class, anchor, words);
}

double svg_words_width(const char *class, const char *words) {
    double size = strcmp(class, "title") == 0     ? 17 * 1.06
                  : strcmp(class, "heading") == 0 ? 14 * 1.06
                  : strcmp(class, "tick") == 0    ? 11
                                                  : 12;
    size_t characters = 0;
    for (; *words; words++)
        characters += ((unsigned char)*words & 0xc0) != 0x80;
    return 0.56 * size * (double)characters;
}

double svg_lines(svg *s, double x, double y, double width, double line, const char *class, const char *words) {
    char part[SVG_WORDS];
    while (*words) {
        size_t taken = 0, length = 0;
        while (words[taken]) { /* a word more, as long as it fits */
            size_t next = taken + strspn(words + taken, " ");
            next += strcspn(words + next, " ");
            if (next >= sizeof part)
                break;
            memcpy(part, words, next);
            part[next] = '\0';
            if (length > 0 && svg_words_width(class, part) > width)
                break;
            taken = length = next;
        }
        if (length == 0) /* a word without end */
            taken = length = strlen(words) < sizeof part ? strlen(words) : sizeof part - 1;
        memcpy(part, words, length);
        part[length] = '\0';
        put_words(s, x, y, class, SVG_START, part);
        y += line;
        words += taken;
        words += strspn(words, " ");
    }
    return y;
}

void svg_stroke(svg *s, double x1, double y1, double x2, double y2, const char *class) {
    fr_text_add(&s->text, "<path class=\"%s\" d=\"M%s %sL%s %s\"/>\n", class, at(x1).text, at(y1).text, at(x2).text,
                at(y2).text);
}

void svg_path(svg *s, const double *points, size_t count, const char *class) {
    fr_text_add(&s->text, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < count; i++)
        fr_text_add(&s->text, "%s%s %s", i ? "L" : "M", at(points[2 * i]).text, at(points[2 * i + 1]).text);
    fr_text_add(&s->text, "\"/>\n");
}

static void close_shape(svg *s, const char *tip) {
    if (tip) {
        fr_text_add(&s->text, "><title>");
        svg_escape(&s->text, tip);
        fr_text_add(&s->text, "</title></path>\n");
    } else {
        fr_text_add(&s->text, "/>\n");
    }
}

void svg_marker(svg *s, double x, double y, int series, bool hollow, const char *tip) {
    static const char *const shapes[SVG_SERIES] = {
        "m-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0z", /* circle */
        "m-2.4 -2.4h4.8v4.8h-4.8z",                          /* square */
        "m0 -3l2.9 5.2h-5.8z",                               /* triangle */
        "m0 -3.4l3.4 3.4l-3.4 3.4l-3.4 -3.4z",               /* diamond */
        "m0 3l2.9 -5.2h-5.8z",                               /* the triangle upside down */
        "m-3 0h6m-3 -3v6"                                    /* cross */
    };
    fr_text_add(&s->text, "<path class=\"dot s%d%s\" d=\"M%s %s%s\"", series, hollow ? " hollow" : "", at(x).text,
                at(y).text, shapes[series]);
    close_shape(s, tip);
}

void svg_box(svg *s, double x, double y, double width, double height, int series, const char *tip) {
    fr_text_add(&s->text, "<path class=\"bar s%d\" d=\"M%s %sh%sv%sh%sz\"", series, at(x).text, at(y).text,
                at(width).text, at(height).text, at(-width).text);
    close_shape(s, tip);
}
