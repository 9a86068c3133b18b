/* For Wine before version 9: random numbers for Rust's standard library, by an older function of Windows. */
#include <stddef.h>

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *data, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *data, size_t length) {
    return SystemFunction036(data, (unsigned long)length) ? 1 : 0;
}
