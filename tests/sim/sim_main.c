/* lagoon-sim [--seeds N] [--start S] [--seed S] [--file F] [--nodes N] [--kind storage|ges|sql|wide]
 * [--hard] [--mutate WHAT] [--verbose] Runs seeds S .. S+N-1 of the kind, after those in F. --hard:
 * more and harder faults. --mutate: does damage that a check must find (sim_mutate.c). A failing
 * seed is printed with its reason. The last line is "N passed, N failed". */
#include "sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_PER_SEED 120 /* of the processor; a busy machine is no failure */

static unsigned passed, failed;
static const sim_kind *kind = &sim_kind_storage;
static sim_options options;

static void
run_seed(uint64_t seed)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {SECONDS_PER_SEED, SECONDS_PER_SEED};
        (void)setrlimit(RLIMIT_CPU, &limit); /* a hang is a failure too */
        alarm(20 * SECONDS_PER_SEED);
        int verdict = sim_world_run(kind, seed, &options);
        fflush(NULL);
        _exit(verdict == 0 ? 0 : 1);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        status = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        passed++;
        return;
    }
    failed++;
    if (WIFSIGNALED(status))
        printf("seed %llu: killed by signal %d\n", (unsigned long long)seed, WTERMSIG(status));
    printf("FAILED seed %llu (replay: lagoon-sim --kind %s%s --seed %llu --verbose)\n",
           (unsigned long long)seed, kind->name, options.hard ? " --hard" : "",
           (unsigned long long)seed);
    fflush(stdout);
}

static const sim_kind *
kind_named(const char *name)
{
    static const sim_kind *const kinds[] = {&sim_kind_storage, &sim_kind_ges, &sim_kind_sql,
                                            &sim_kind_wide};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    fprintf(stderr, "lagoon-sim: no such kind: %s\n", name);
    exit(2);
}

/* Lines: [kind[+]] seed [# what it found]. Without a kind: storage; with a plus: --hard. */
static void
run_file(const char *path)
{
    FILE *f = fopen(path, "r");
    const sim_kind *of_new = kind;
    bool hard_new = options.hard;
    char line[200], name[16];
    while (f && fgets(line, sizeof line, f)) {
        unsigned long long seed;
        if (line[0] == '#')
            continue;
        if (sscanf(line, "%llu", &seed) == 1)
            snprintf(name, sizeof name, "storage");
        else if (sscanf(line, "%15s %llu", name, &seed) != 2)
            continue;
        char *plus = strchr(name, '+');
        options.hard = plus != NULL;
        if (plus)
            *plus = 0;
        kind = kind_named(name);
        run_seed(seed);
    }
    kind = of_new;
    options.hard = hard_new;
    if (f)
        fclose(f);
}

int
main(int argc, char **argv)
{
    uint64_t seeds = 100, start = 1;
    const char *file = NULL;
    (void)!lg_run_native_stack_raise();
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--hard") == 0) {
            options.hard = true;
        } else if (next && strcmp(argv[i], "--mutate") == 0) {
            options.mutate = argv[++i];
        } else if (next && strcmp(argv[i], "--watch") == 0) {
            (void)sscanf(argv[++i], "%u.%u", &options.watch_file, &options.watch_block);
        } else if (next && strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(argv[++i], NULL, 0);
        } else if (next && strcmp(argv[i], "--start") == 0) {
            start = strtoull(argv[++i], NULL, 0);
        } else if (next && strcmp(argv[i], "--seed") == 0) {
            start = strtoull(argv[++i], NULL, 0);
            seeds = 1;
        } else if (next && strcmp(argv[i], "--file") == 0) {
            file = argv[++i];
        } else if (next && strcmp(argv[i], "--nodes") == 0) {
            options.nodes = (unsigned)atoi(argv[++i]);
        } else if (next && strcmp(argv[i], "--kind") == 0) {
            kind = kind_named(argv[++i]);
        } else {
            fprintf(stderr, "usage: lagoon-sim [--seeds N] [--start S] [--seed S] [--file F] "
                            "[--nodes N] [--kind storage|ges|sql|wide] [--hard] [--mutate WHAT] "
                            "[--watch FILE.BLOCK] [--verbose]\n");
            return 2;
        }
    }
    if (file)
        run_file(file);
    for (uint64_t s = 0; s < seeds; s++)
        run_seed(start + s);
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
