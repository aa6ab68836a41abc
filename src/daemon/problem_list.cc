// SPDX-License-Identifier: Apache-2.0
#include "daemon/problem_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace flannel {
namespace {

std::string without_digits(std::string text) {
  std::erase_if(text, [](char one) { return one >= '0' && one <= '9'; });
  return text;
}

void write(Severity severity, const std::string& message, log::Fields fields) {
  switch (severity) {
    case Severity::waiting:
      return;
    case Severity::notice:
      return log::info(message, fields);
    case Severity::warning:
      return log::warning(message, fields);
    case Severity::error:
    case Severity::critical:
      return log::error(message, fields);
  }
}

// The lines about what has happened to some problems.
class Lines {
 public:
  // `before`: the beginning of each line. Lines about a more severe problem are written as if it
  // had the severity `most`.
  explicit Lines(std::string_view before, Severity most = Severity::critical)
      : before_(before), most_(most) {}

  void add(const ProblemKind& kind, log::Fields fields) {
    if (++counts_[&kind] <= ProblemList::kMostLines) line(kind, fields);
  }
  void count_the_others() const {
    for (const auto& [kind, count] : counts_) {
      if (count <= ProblemList::kMostLines) continue;
      line(*kind, {{"code", kind->code}, {"more", count - ProblemList::kMostLines}});
    }
  }

 private:
  void line(const ProblemKind& kind, log::Fields fields) const {
    write(std::min(kind.severity, most_), fmt::format("{}{}", before_, kind.summary), fields);
  }

  std::string_view before_;
  Severity most_;
  std::map<const ProblemKind*, std::size_t> counts_;
};

}  // namespace

void ProblemList::update(std::vector<Problem> now, TimePoint at) {
  std::map<Name, Known> before = std::exchange(known_, {});
  Lines fresh(""), changed("still: ");
  problems_.clear();
  for (Problem& problem : now) {
    Name name{problem.kind->code, problem.object};
    if (known_.contains(name)) continue;
    auto node = before.extract(name);
    const bool is_new = node.empty();
    Known known = is_new ? Known{problem.kind, at, {}} : std::move(node.mapped());
    problem.since = known.since;
    if (known.logged.first_time(without_digits(problem.text))) {
      (is_new ? fresh : changed)
          .add(*problem.kind, {{"code", problem.kind->code},
                               {"about", problem.object},
                               {"why", problem.text},
                               {"remedy", problem.remedy}});
    }
    known_.emplace(std::move(name), std::move(known));
    problems_.push_back(std::move(problem));
  }
  Lines over("over: ", Severity::notice);
  for (const auto& [name, known] : before) {
    const auto lasted = std::chrono::duration_cast<std::chrono::seconds>(at - known.since);
    over.add(*known.kind,
             {{"code", name.first}, {"about", name.second}, {"after_s", lasted.count()}});
  }
  fresh.count_the_others();
  changed.count_the_others();
  over.count_the_others();
}

}  // namespace flannel
