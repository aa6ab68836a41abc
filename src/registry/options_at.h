// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "core/store_address.h"
#include "registry/open_registry.h"

namespace flannel {

// Returns the options that open the store at `address`, with the credentials of `own`. The address
// comes from any client that may write the configuration. So it is an error if the password of
// `own` would be sent to a host that `own` does not name, unless TLS with the certificate authority
// of `own` proves the identity of that host.
Result<StoreOptions> options_at(const StoreAddress& address, const StoreOptions& own);

}  // namespace flannel
