// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace flannel {

// Returns the candidate that was most likely meant by `word`: the one with the fewest letters
// inserted, left out, changed or swapped with their neighbour. Up to a third of the letters may
// differ, and always one. Returns nullopt if no candidate is that near; the first among equals.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace flannel
