// SPDX-License-Identifier: Apache-2.0
// The members of the Backend object besides Type, as far as their change concerns hosts that run.
// The backends themselves (src/backend) parse and check them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/network_config.h"

namespace flannel {

struct BackendOption {
  enum class Kind { number, boolean, text };

  std::string_view key;
  Kind kind = Kind::boolean;
  std::string_view absent;        // what an absent option means: a value, or words for people
  bool zero_is_absent = false;    // kind number
  bool is_of_data_plane = false;  // all hosts must have the same value to reach each other
  bool is_secret = false;         // kind text: no report repeats the value
  // The device cannot be changed, and all devices of its UDP port have the same value.
  bool remakes_the_device = false;
};

// All options of a backend. None: the backend has none.
std::span<const BackendOption> options_of_backend(std::string_view type);

// The value of the option in this configuration, as text: "8472", "true". An absent one, and one
// that the backend refuses, gives BackendOption::absent.
std::string value_of_option(const NetworkConfig& config, const BackendOption& option);

// The same for a number; nullopt: this backend has no such option.
std::optional<std::int64_t> number_option(const NetworkConfig& config, std::string_view key);

}  // namespace flannel
