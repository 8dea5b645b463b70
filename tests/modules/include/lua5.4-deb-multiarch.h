/* What Debian's build of Lua makes: where it looks for modules. */
#define DEB_HOST_MULTIARCH "tessera"
