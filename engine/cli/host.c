#include "cli/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What follows `key` and `separator` on the first line of the file that begins with key; quotes are dropped. */
static void read_entry(const char *path, const char *key, char separator, char *out, size_t bytes) {
    char line[512];
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, separator);
        if (strncmp(line, key, strlen(key)) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t\"");
        value[strcspn(value, "\"\n")] = '\0';
        snprintf(out, bytes, "%s", value);
        break;
    }
    if (file)
        fclose(file);
}

cli_host cli_read_host(void) {
    cli_host host = {.cpu = "unknown", .os = ""};
    struct utsname name;
    char distribution[96] = "";
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    read_entry("/proc/cpuinfo", "model name", ':', host.cpu, sizeof host.cpu);
    read_entry("/etc/os-release", "PRETTY_NAME", '=', distribution, sizeof distribution);
    if (uname(&name) == 0) {
        name.release[strcspn(name.release, "-")] = '\0'; /* what its builders call it is nobody's business elsewhere */
        snprintf(host.os, sizeof host.os, "%s%s%.16s %.40s %.16s", distribution, distribution[0] ? ", " : "",
                 name.sysname, name.release, name.machine);
    }
    host.cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    host.memory_bytes = pages > 0 && page_bytes > 0 ? (int64_t)pages * page_bytes : 0;
    return host;
}
