// All of CEGL is in its header; a C target needs one file to compile.
#include "CEGL.h"
