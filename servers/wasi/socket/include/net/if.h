/* Interfaces have numbers and no names: one that reaches the network, 1. */
#ifndef TESSERA_NET_IF_H
#define TESSERA_NET_IF_H

#ifdef __cplusplus
extern "C" {
#endif

#define IF_NAMESIZE 16
unsigned if_nametoindex(const char *name);

#ifdef __cplusplus
}
#endif
#endif
