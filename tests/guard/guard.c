/*
 * Counts calls that are not real-time safe. Preload it into a host.
 *
 * The host calls tagvane_guard(1) before and tagvane_guard(0) after each call of the
 * plugin's process function. Between them, on that thread only, this library counts each
 * call of these functions, except most of those that the C library makes within itself:
 *
 *   malloc, calloc, realloc, free, memalign, aligned_alloc, posix_memalign;
 *   pthread_mutex_lock, pthread_rwlock_rdlock, pthread_rwlock_wrlock;
 *   pthread_cond_wait, pthread_cond_timedwait, sem_wait, poll;
 *   nanosleep, clock_nanosleep, sched_yield; read, write;
 *   syscall, which is how Rust's locks wait (futex).
 *
 * Other calls, such as open, mmap, send and recv, are not seen; LLVM's RealtimeSanitizer
 * (sanitizer.c) knows many of them. tagvane_guard(0) returns the count, and prints it with
 * the name of the first call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static __thread int inside;
static __thread long violations;
static __thread const char *first;

#define COUNT_CALL(name) do { if (inside) { violations++; if (!first) first = name; } } while (0)
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

void *malloc(size_t size) { COUNT_CALL("malloc"); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { COUNT_CALL("calloc"); return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { COUNT_CALL("realloc"); return __libc_realloc(old, size); }
void free(void *old) { if (old) COUNT_CALL("free"); __libc_free(old); }
void *memalign(size_t align, size_t size) { COUNT_CALL("memalign"); return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { COUNT_CALL("aligned_alloc"); return __libc_memalign(align, size); }
int posix_memalign(void **to, size_t align, size_t size) {
    COUNT_CALL("posix_memalign");
    *to = __libc_memalign(align, size);
    return *to ? 0 : ENOMEM;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    REAL(pthread_mutex_lock);
    COUNT_CALL("pthread_mutex_lock");
    return real(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    REAL(pthread_rwlock_rdlock);
    COUNT_CALL("pthread_rwlock_rdlock");
    return real(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    REAL(pthread_rwlock_wrlock);
    COUNT_CALL("pthread_rwlock_wrlock");
    return real(lock);
}
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    REAL(pthread_cond_wait);
    COUNT_CALL("pthread_cond_wait");
    return real(condition, mutex);
}
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    REAL(pthread_cond_timedwait);
    COUNT_CALL("pthread_cond_timedwait");
    return real(condition, mutex, until);
}
int sem_wait(sem_t *semaphore) {
    REAL(sem_wait);
    COUNT_CALL("sem_wait");
    return real(semaphore);
}
int poll(struct pollfd *files, nfds_t count, int timeout) {
    REAL(poll);
    COUNT_CALL("poll");
    return real(files, count, timeout);
}
int nanosleep(const struct timespec *wanted, struct timespec *left) {
    REAL(nanosleep);
    COUNT_CALL("nanosleep");
    return real(wanted, left);
}
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    REAL(clock_nanosleep);
    COUNT_CALL("clock_nanosleep");
    return real(clock, flags, wanted, left);
}
int sched_yield(void) {
    REAL(sched_yield);
    COUNT_CALL("sched_yield");
    return real();
}
ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write);
    COUNT_CALL("write");
    return real(file, bytes, count);
}
ssize_t read(int file, void *bytes, size_t count) {
    REAL(read);
    COUNT_CALL("read");
    return real(file, bytes, count);
}
long syscall(long number, ...) {
    REAL(syscall);
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    COUNT_CALL("syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
