// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "registry/open_registry.h"

namespace flannel {

// Returns a text that is another one for another store, or for another prefix in it. The order of
// the endpoints does not matter. No secrets.
std::string name_of_store(const StoreOptions& options);

}  // namespace flannel
