// One binary for every x86-64: the compiler makes a copy of a marked function for each instruction
// set and the loader picks the widest that the machine has.
#pragma once

// Thread sanitizer instruments the resolvers, which run before it is set up, so it gets one
// version.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define REDOUBT_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REDOUBT_MULTIVERSION
#endif
