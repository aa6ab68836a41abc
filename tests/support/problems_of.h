// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/problem.h"
#include "filter/packet_rules.h"

namespace flannel {

// "rules-not-kept: refused", one line for each problem that is at least so severe.
inline std::string problems_of(const PacketRules& rules, Severity least = Severity::notice) {
  std::string text;
  for (const Problem& problem : rules.problems()) {
    if (problem.kind->severity < least) continue;
    text += (text.empty() ? "" : "\n") + std::string(problem.kind->code) + ": " + problem.text;
  }
  return text;
}

}  // namespace flannel
