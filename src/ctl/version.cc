// SPDX-License-Identifier: Apache-2.0
#include "base/version.h"

#include <ostream>

#include "ctl/command.h"

namespace flannel {

Result<void> run_version(const CtlOptions&, const Terminal& terminal) {
  terminal.out << version() << "\n";
  return {};
}

}  // namespace flannel
