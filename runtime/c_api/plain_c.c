/* The header is C: this is what compiles it as such. */
#include <cardswap/c.h>

unsigned long header_is_c(void);
unsigned long header_is_c(void) { return (unsigned long)sizeof(struct cardswap_callbacks); }
