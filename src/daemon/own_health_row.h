// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "daemon/health_rows.h"
#include "daemon/network.h"

namespace flannel {

// What this host sees of its peers; nullopt: it holds no lease, or does not probe them.
std::optional<HealthRows::Own> own_health_row(const Network& network);

}  // namespace flannel
