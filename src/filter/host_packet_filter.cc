// SPDX-License-Identifier: Apache-2.0
#include "filter/host_packet_filter.h"

#include <algorithm>
#include <utility>

#include "filter/legacy_rules.h"

namespace flannel {

void HostPacketFilter::prepare_nftables() {
  if (table_) return;
  if (auto opened = NftTable::open()) table_ = *std::move(opened);
}

Result<void> HostPacketFilter::write_table(const RuleSet& rules) {
  if (!table_) table_ = TRY(NftTable::open());
  auto written = table_->put(rules);
  // Where nftables is of no use, its library needs no memory.
  if (!written && !table_->is_written()) table_.reset();
  return written;
}

Result<bool> HostPacketFilter::is_table_unchanged() {
  return table_->is_unchanged();
}

Result<std::vector<std::string>> HostPacketFilter::remove_tables(const IpPrefix& network) {
  const auto table = TRY(NftTable::open());
  return table->remove(network);
}

Result<IptablesPlaces> HostPacketFilter::find_iptables() {
  const auto tables = TRY(table_->tables());
  const std::string family = family_ == Family::v4 ? "ip " : "ip6 ";
  const bool nft = std::ranges::any_of(tables, [&](const std::string& table) {
    return table == family + "filter" || table == family + "nat" || table == family + "raw";
  });
  const IptablesPlaces places{nft, legacy_tables_exist(family_)};
  if (!places.any()) {
    search_.reset();
    chosen_.reset();
  }
  return places;
}

void HostPacketFilter::read_iptables(IptablesPlaces places, Reply<IptablesRules> reply) {
  if (!chosen_ || places != places_) return search(places, std::move(reply));
  chosen_->save([this, reply = std::move(reply)](Result<std::string> saved) {
    if (!saved) return reply(Failure(std::move(saved).error()));
    reply(rules_of_chosen(*std::move(saved)));
  });
}

void HostPacketFilter::search(IptablesPlaces places, Reply<IptablesRules> reply) {
  chosen_.reset();
  places_ = places;
  search_ = std::make_unique<IptablesSearch>(loop_, family_, places);
  search_->start([this, reply = std::move(reply)](Result<IptablesSearch::Found> found) {
    if (!found) return reply(Failure(std::move(found).error()));
    chosen_ = std::move(found->iptables);
    reply(rules_of_chosen(std::move(found->saved)));
  });
}

IptablesRules HostPacketFilter::rules_of_chosen(std::string saved) const {
  return {.name = chosen_->name(), .legacy = chosen_->is_legacy(), .saved = std::move(saved)};
}

void HostPacketFilter::change_iptables(std::string text, Reply<void> reply) {
  chosen_->restore(std::move(text), std::move(reply));
}

void HostPacketFilter::clear_other_iptables(const RuleSet& rules, std::function<void()> done) {
  if (!search_) return done();
  search_->free_others(rules, [this, done = std::move(done)] {
    const auto ended = std::move(search_);  // it is the caller
    done();
  });
}

Result<void> HostRuleChanges::watch(std::function<bool(const RuleChange&)> concerns_us,
                                    std::function<void()> on_change) {
  auto is_ours = [family = family_, concerns_us = std::move(concerns_us)](const auto& change) {
    return change.family == family && concerns_us(change);
  };
  watch_ = TRY(RuleWatch::open(loop_, std::move(is_ours), std::move(on_change)));
  return {};
}

std::optional<std::uint64_t> HostRuleChanges::legacy_sum() const {
  const auto sum = legacy_rules_fingerprint(family_);
  return sum ? std::optional(*sum) : std::nullopt;
}

}  // namespace flannel
