// Products of few rows: formats of four bits and more.
#include "matvec.cuh"

namespace yuzui {

TYPES(MATVEC)

}  // namespace yuzui
