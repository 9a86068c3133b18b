/*
 * Counts calls that are not real-time safe. Preload it into a host.
 *
 * The host calls tagvane_guard(1) before and tagvane_guard(0) after each call of the
 * plugin's process function. Between them, on that thread only, this library counts each
 * allocation, lock, wait, sleep, read, write and raw system call (Rust's locks are futexes)
 * of any library. tagvane_guard(0) returns the count, and prints it with the name of the
 * first call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static __thread int inside;
static __thread long violations;
static __thread const char *first;

#define SEEN(name) do { if (inside) { violations++; if (!first) first = name; } } while (0)
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

long tagvane_guard(int enter) {
    long seen = violations;
    if (enter) { violations = 0; first = NULL; inside = 1; return 0; }
    inside = 0;
    if (seen) fprintf(stderr, "%ld forbidden calls on the audio thread, %s first\n", seen, first);
    return seen;
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) { SEEN("malloc"); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { SEEN("calloc"); return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { SEEN("realloc"); return __libc_realloc(old, size); }
void free(void *old) { if (old) SEEN("free"); __libc_free(old); }
void *aligned_alloc(size_t align, size_t size) { SEEN("aligned_alloc"); return __libc_memalign(align, size); }
int posix_memalign(void **to, size_t align, size_t size) {
    SEEN("posix_memalign");
    *to = __libc_memalign(align, size);
    return *to ? 0 : 12;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    REAL(pthread_mutex_lock);
    SEEN("pthread_mutex_lock");
    return real(mutex);
}
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    REAL(pthread_cond_wait);
    SEEN("pthread_cond_wait");
    return real(condition, mutex);
}
int nanosleep(const struct timespec *wanted, struct timespec *left) {
    REAL(nanosleep);
    SEEN("nanosleep");
    return real(wanted, left);
}
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    REAL(clock_nanosleep);
    SEEN("clock_nanosleep");
    return real(clock, flags, wanted, left);
}
int sched_yield(void) {
    REAL(sched_yield);
    SEEN("sched_yield");
    return real();
}
ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write);
    SEEN("write");
    return real(file, bytes, count);
}
ssize_t read(int file, void *bytes, size_t count) {
    REAL(read);
    SEEN("read");
    return real(file, bytes, count);
}
long syscall(long number, ...) {
    REAL(syscall);
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    SEEN("syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
