// SPDX-License-Identifier: Apache-2.0
// One process of a network namespace does a thing, a second one is told who does it.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// Claims `what` (at most 90 bytes; "flannel.1", "10.5.0.0/16") for as long as the descriptor is
// open; the kernel ends the claim with the process, however that ends. The name is one of the
// abstract Unix sockets (unix(7)), which a network namespace has for itself, as it has its devices
// and routes. ErrorKind::exists names the process that holds it.
Result<Fd> claim(std::string_view what);

}  // namespace flannel
