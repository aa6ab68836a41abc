// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log_once.h"
#include "base/problem.h"

namespace flannel {

// The problems that this host has now. Finds out which are new, have changed or are over, logs
// that, and remembers since when each lasts. Loop thread only.
//
// A problem is known by its kind and its object. Another text is logged once while the problem
// lasts, unless it differs in numbers alone, such as a count or the time that is left. If many
// problems of one kind come or go at once, the first have a line each, and one line counts the
// others.
class ProblemList {
 public:
  static constexpr std::size_t kMostLines = 8;

  // `now`: all problems that there are, each once.
  void update(std::vector<Problem> now, TimePoint at);

  // In the order of the last update, with `since`.
  const std::vector<Problem>& all() const { return problems_; }

 private:
  struct Known {
    const ProblemKind* kind;
    TimePoint since;
    LogOnce logged;  // texts without their digits
  };
  using Name = std::pair<std::string_view, std::string>;  // code, object

  std::map<Name, Known> known_;
  std::vector<Problem> problems_;
};

}  // namespace flannel
