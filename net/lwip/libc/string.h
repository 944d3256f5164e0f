/* The one header of the C library that lwIP's sources include. */
#pragma once

#include "kernel/lib/string.h"
