// SPDX-License-Identifier: Apache-2.0
// What is wrong on this host, as a value that the log, the health pages and every report read.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace flannel {

enum class Severity {
  waiting,   // the start goes on; not logged
  notice,    // nothing is lost, and nothing need be done at once; not in sentences()
  warning,   // packets pass, but this does not stay well, or the operator asked for something else
  error,     // some packets are lost, or will be
  critical,  // no packet passes, or the host is not ready
};
std::string_view to_string(Severity severity);  // "warning"

enum class ProblemArea {
  config,
  option,
  store,
  lease,
  network,
  underlay,
  host,
  kernel,
  packet_path,
  packet_filter,
  peers,
  subnet_file,
  docker,
};
std::string_view to_string(ProblemArea area);  // "packet path"

// What problems of one kind have in common. base/problem_kinds.h has all kinds, and
// docs/problems.md explains them. A program that reads reports knows a kind by its code.
struct ProblemKind {
  std::string_view code;  // "ip-forward-off"; never changes
  ProblemArea area = ProblemArea::host;
  Severity severity = Severity::warning;
  std::string_view summary;  // the message of the log
  // What to do: a command or a sentence, in which {object} and other words in braces are replaced.
  // Empty: nothing.
  std::string_view remedy;
};

struct Problem {
  const ProblemKind* kind = nullptr;  // never null
  std::string object;                 // what it is about: a device, a subnet, a key; may be empty
  std::string text;                   // what is wrong and why, complete without the object
  std::string remedy;                 // that of the kind, for this object
  std::size_t others = 0;  // > 0: stands for so many problems of its kind that are not named
  TimePoint since = {};    // set by ProblemList
  bool operator==(const Problem&) const = default;
};

// `words`: further words of the kind's remedy, without braces, and what takes their place.
Problem make_problem(
    const ProblemKind& kind, std::string object, std::string text,
    std::initializer_list<std::pair<std::string_view, std::string_view>> words = {});

// Makes the commands of flannelctl in the remedy be about this network of several, except for those
// that are about the whole host.
void name_network(Problem& problem, std::string_view network);

// Stands for `count` problems that are not named.
Problem other_problems(const ProblemKind& kind, std::size_t count);

// "eth0 is down; remedy: ip link set eth0 up"
std::string in_words(const Problem& problem);
// The same after its area, "underlay: ".
std::string sentence(const Problem& problem);

// One sentence for each problem that is no notice. Of one kind at most ten, and one that counts the
// others.
std::vector<std::string> sentences(const std::vector<Problem>& problems);

// True if one of them is critical.
bool any_critical(const std::vector<Problem>& problems);

}  // namespace flannel
