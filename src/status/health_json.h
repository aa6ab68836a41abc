// SPDX-License-Identifier: Apache-2.0
// Rows of --publish-health as JSON: docs/control-api.md.
#pragma once

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "core/health_row.h"

namespace flannel::control {

nlohmann::ordered_json health_row_json(const SeenRow& row, TimePoint now);

}  // namespace flannel::control
