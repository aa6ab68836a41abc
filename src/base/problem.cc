// SPDX-License-Identifier: Apache-2.0
#include "base/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace flannel {
namespace {

// The number of sentences about problems of one kind.
constexpr std::size_t kMostSentences = 10;

void replace_all(std::string& text, const std::string& word, std::string_view by) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size()))
    text.replace(at, word.size(), by);
}

std::size_t count_of(const Problem& problem) {
  return std::max<std::size_t>(1, problem.others);
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::waiting:
      return "waiting";
    case Severity::notice:
      return "notice";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
    case Severity::critical:
      break;
  }
  return "critical";
}

std::string_view to_string(ProblemArea area) {
  static constexpr std::string_view kNames[] = {
      "config", "option",      "store",         "lease", "network",     "underlay", "host",
      "kernel", "packet path", "packet filter", "peers", "subnet file", "docker"};
  return kNames[static_cast<std::size_t>(area)];
}

Problem make_problem(const ProblemKind& kind, std::string object, std::string text,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> words) {
  std::string remedy(kind.remedy);
  replace_all(remedy, "{object}", object);
  for (const auto& [word, by] : words)
    replace_all(remedy, fmt::format("{{{}}}", word), by);
  return {.kind = &kind,
          .object = std::move(object),
          .text = std::move(text),
          .remedy = std::move(remedy)};
}

void name_network(Problem& problem, std::string_view network) {
  constexpr std::string_view kProgram = "flannelctl ";
  std::string& text = problem.remedy;
  for (std::size_t at = text.find(kProgram); at != text.npos; at = text.find(kProgram, at)) {
    at += kProgram.size();
    if (!text.substr(at).starts_with("undrain"))
      text.insert(at, fmt::format("--network={} ", network));
  }
}

Problem other_problems(const ProblemKind& kind, std::size_t count) {
  return {.kind = &kind,
          .object = {},
          .text = fmt::format("{} more like these", count),
          .remedy = {},
          .others = count};
}

std::string in_words(const Problem& problem) {
  return problem.remedy.empty() ? problem.text : problem.text + "; remedy: " + problem.remedy;
}

std::string sentence(const Problem& problem) {
  return fmt::format("{}: {}", to_string(problem.kind->area), in_words(problem));
}

std::vector<std::string> sentences(const std::vector<Problem>& problems) {
  std::map<std::string_view, std::size_t> total, named;  // by code
  for (const Problem& problem : problems)
    total[problem.kind->code] += count_of(problem);
  std::vector<std::string> all;
  for (const Problem& problem : problems) {
    const ProblemKind& kind = *problem.kind;
    std::size_t& count = named[kind.code];
    if (kind.severity == Severity::notice || count > kMostSentences) continue;
    if (count < kMostSentences && problem.others == 0) {
      all.push_back(sentence(problem));
      ++count;
    } else {
      all.push_back(sentence(other_problems(kind, total[kind.code] - count)));
      count = kMostSentences + 1;
    }
  }
  return all;
}

bool any_critical(const std::vector<Problem>& problems) {
  return std::ranges::any_of(problems, [](const Problem& problem) {
    return problem.kind->severity == Severity::critical;
  });
}

}  // namespace flannel
