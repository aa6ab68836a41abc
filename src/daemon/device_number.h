// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "plan/left_device.h"

namespace flannel {

// The HostFacts::device_number of a backend that is opened. A device that was left with the
// backend's VNI and port keeps its name, so that it is adopted and not made anew. Otherwise it is
// the first number whose names are free: neither in `in_use`, the names of our other dataplanes,
// nor those of a device that was left in our network, to which peers may still send.
// ErrorKind::exhausted: there is none.
Result<int> device_number_for(const Backend& backend, HostFacts host,
                              std::span<const std::string> in_use,
                              std::span<const LeftDevice> left);

}  // namespace flannel
