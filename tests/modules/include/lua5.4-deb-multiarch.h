/* Debian's Lua asks its build for the machine's name, to look for modules in its folder; there are none here. */
#define DEB_HOST_MULTIARCH "none"
