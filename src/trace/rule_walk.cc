// SPDX-License-Identifier: Apache-2.0
#include "trace/rule_walk.h"

#include <algorithm>
#include <tuple>

namespace flannel::trace {
namespace {

// The kernel allows 16 jumps (NFT_JUMP_STACK_SIZE).
constexpr int kMostJumps = 16;
// Rules that are asked for one base chain. Firewalls have some thousands; chains that call each
// other again and again could need any number.
constexpr int kMostRules = 100'000;
// A reader has no use for more drops that are not certain.
constexpr std::size_t kMostDrops = 10;

enum class End { accepted, dropped, at_end };

class Walk {
 public:
  Walk(const Table& table, std::vector<Drop>& drops) : table_(table), drops_(drops) {}

  // True: the packet is certainly dropped. `is_certain`: it comes here.
  bool enter(const std::string& name, bool is_certain) {
    if (!is_certain) ++doubts_;
    const auto chain = table_.chains.find(name);
    if (chain == table_.chains.end()) return false;
    const End end = follow(name, chain->second, 0);
    if (end == End::at_end && chain->second.drops_at_end) return drop(name, "policy drop");
    return end == End::dropped;
  }

 private:
  // Returns true if the drop is certain.
  bool drop(const std::string& chain, const std::string& rule) {
    const bool is_certain = doubts_ == 0 && !maybe_accepted_;
    if (drops_.size() < kMostDrops || is_certain) {
      drops_.push_back({table_.name + ", chain " + chain, rule, is_certain});
    }
    return is_certain;
  }

  End follow(const std::string& name, const Chain& chain, int depth) {
    const int doubts_before = doubts_;
    End end = End::at_end;
    for (const Rule& rule : chain.rules) {
      if (rule.matches == Answer::no || rule.action == Action::pass_on) continue;
      if (++asked_ > kMostRules) {
        maybe_accepted_ = true;  // nothing is certain any more
        return End::at_end;
      }
      const bool leaves = rule.action == Action::leave || rule.action == Action::go_to;
      if (rule.matches == Answer::yes) {
        end = apply(name, rule, depth);
        if (end != End::at_end || leaves) break;
        continue;
      }
      ++doubts_;
      if (apply(name, rule, depth) == End::accepted) maybe_accepted_ = true;
      if (!leaves) --doubts_;  // else the packet may have left this chain
    }
    const bool may_have_left = doubts_ > doubts_before;
    doubts_ = doubts_before;
    if (!may_have_left || end != End::accepted) return end;
    maybe_accepted_ = true;
    return End::at_end;
  }

  End apply(const std::string& name, const Rule& rule, int depth) {
    if (rule.action == Action::accept) return End::accepted;
    if (rule.action == Action::drop) return drop(name, rule.text) ? End::dropped : End::at_end;
    if (rule.action == Action::leave) return End::at_end;
    const auto chain = table_.chains.find(rule.target);
    if (chain == table_.chains.end() || depth >= kMostJumps) return End::at_end;
    return follow(rule.target, chain->second, depth + 1);
  }

  const Table& table_;
  std::vector<Drop>& drops_;
  int asked_ = 0;                // rules so far
  int doubts_ = 0;               // rules with an unknown answer that led to where the packet is
  bool maybe_accepted_ = false;  // by a rule with an unknown answer
};

}  // namespace

std::vector<Drop> find_drops(const std::vector<Table>& tables) {
  std::vector<std::tuple<Hook, int, const Table*, const BaseChain*>> calls;
  for (const Table& table : tables) {
    for (const BaseChain& base : table.bases)
      calls.emplace_back(base.hook, base.priority, &table, &base);
  }
  std::ranges::stable_sort(
      calls, {}, [](const auto& call) { return std::pair(std::get<0>(call), std::get<1>(call)); });
  std::vector<Drop> drops;
  for (const auto& [hook, priority, table, base] : calls) {
    if (Walk(*table, drops).enter(base->chain, base->is_certain)) break;
  }
  return drops;
}

}  // namespace flannel::trace
