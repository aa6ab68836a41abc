// SPDX-License-Identifier: Apache-2.0
#include "base/version.h"

namespace flannel {

std::string_view version() {
  return FLANNEL_VERSION;
}

}  // namespace flannel
