// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "net/address.h"

namespace flannel {

// Returns the JSON for people and programs. Some of its texts come from the store: in ASCII they
// cannot control a terminal, and invalid UTF-8 must not cause an exception.
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

inline nlohmann::ordered_json text_or_null(const std::optional<IpAddress>& ip) {
  return ip ? nlohmann::ordered_json(to_string(*ip)) : nlohmann::ordered_json(nullptr);
}

}  // namespace flannel
