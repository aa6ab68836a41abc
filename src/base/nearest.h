// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace flannel {

// The candidate that somebody who typed `word` most likely meant: the fewest letters inserted,
// left out, changed or swapped with their neighbour, at most a third of the word and always one.
// Nothing if none is that near; the first one among equals.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace flannel
