// SPDX-License-Identifier: Apache-2.0
#include "filter/iptables_search.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "filter/legacy_rules.h"
#include "rules/docker_rules.h"
#include "rules/iptables_text.h"

namespace flannel {
namespace {

bool drops(const IptablesSearch::Found& found) {
  return forward_may_drop(parse_iptables(found.saved, "filter"));
}

}  // namespace

IptablesSearch::IptablesSearch(Loop& loop, Family family, IptablesPlaces places)
    : loop_(loop),
      family_(family),
      places_(places),
      kinds_{IptablesKind::legacy, IptablesKind::nft, IptablesKind::system},
      why_none_{ErrorKind::not_found,
                program_name(IptablesKind::system, family) + " is not installed"} {}

void IptablesSearch::start(std::function<void(Result<Found>)> found) {
  found_ = std::move(found);
  next();
}

void IptablesSearch::next() {
  while (!kinds_.empty()) {
    const IptablesKind kind = kinds_.back();
    kinds_.pop_back();
    auto found = Iptables::find(kind, family_, loop_);
    if (!found || !((*found)->is_legacy() ? places_.legacy : places_.nft)) continue;
    const bool known = std::ranges::any_of(
        candidates_, [&](const Found& one) { return one.iptables->is_same(**found); });
    // iptables-legacy-save would make its tables.
    const bool pointless =
        kind == IptablesKind::legacy && !candidates_.empty() && !legacy_tables_exist(family_);
    if (known || pointless) continue;
    trying_ = *std::move(found);
    trying_->save([this](const Result<std::string>& text) {
      auto tried = std::move(trying_);
      if (text) {
        candidates_.push_back({std::move(tried), *text});
      } else {
        why_none_ = text.error();
      }
      next();
    });
    return;
  }
  choose();
}

void IptablesSearch::choose() {
  const auto found = std::move(found_);
  if (candidates_.empty()) return found(Failure(why_none_));
  auto best = std::ranges::find_if(candidates_, drops);
  if (best == candidates_.end()) best = candidates_.begin();
  if (best != candidates_.begin()) {
    log::warning(
        "what drops forwarded packets is not in the first iptables",
        {{"first", candidates_.front().iptables->name()}, {"used", best->iptables->name()}});
  }
  Found chosen = std::move(*best);
  candidates_.erase(best);
  found(std::move(chosen));
}

void IptablesSearch::free_others(RuleSet rules, std::function<void()> done) {
  rules_ = std::move(rules);
  freed_ = std::move(done);
  free_next();
}

void IptablesSearch::free_next() {
  while (!candidates_.empty()) {
    Found other = std::move(candidates_.back());
    candidates_.pop_back();
    std::string removal = removal_of_network(rules_, other.saved);
    if (removal.empty()) continue;
    trying_ = std::move(other.iptables);
    trying_->restore(std::move(removal), [this](const Result<void>& freed) {
      const auto tried = std::move(trying_);
      if (freed) {
        log::info("removed the rules of an earlier run", {{"from", tried->name()}});
      } else {
        log::warning("cannot remove the rules of an earlier run",
                     {{"why", freed.error().text}, {"left_in", tried->name()}});
      }
      free_next();
    });
    return;
  }
  const auto freed = std::move(freed_);
  freed();
}

}  // namespace flannel
