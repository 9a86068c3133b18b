/* glibc has this since 2.32, and the static libstdc++ asks for it: whether a process has one thread only, so that counts need no
 * atomic operations. Here it always has several. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
