// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "core/known_peers.h"

namespace flannel::known_peers_random_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Whatever happens to leases of all sizes: the changes add up to what leases() returns, no two
// peers overlap or have one MAC at two addresses, and in the end the peers are those of the store.
class KnownPeersAtRandomTest : public ::testing::Test {
 protected:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(chance);
  }
  // Hosts a to e, some of which share an address or do not name their node.
  Record any_record() {
    const auto bits = static_cast<std::uint8_t>(26 + below(3));
    const auto net =
        IpPrefix::of(IpAddress::v4(10, 5, 0, static_cast<std::uint8_t>(below(256))), bits);
    const auto host = static_cast<unsigned>(below(5));
    LeaseAttributes attributes{
        .public_ip = IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(1 + host + below(2)))};
    if (below(3) > 0) {
      attributes.node.emplace();
      attributes.node->id.bytes[0] = static_cast<std::uint8_t>(host);
      attributes.node->boot = host;
    }
    if (below(3) > 0) {
      attributes.backend_type = "vxlan";
      attributes.backend_data = fmt::format(R"({{"VtepMAC":"02:00:00:00:00:0{}"}})", below(5));
    }
    ++revision;
    return {encode_subnet_key({net, std::nullopt}), encode_lease_value(attributes), revision,
            "lease", revision};
  }
  void carry_out(const std::vector<PeerChange>& changes) {
    for (const PeerChange& change : changes) {
      if (const auto* up = std::get_if<PeerUp>(&change)) {
        carried.erase(up->lease->subnet);
        for (const auto& [other, lease] : carried)
          ASSERT_FALSE(other.overlaps(up->lease->subnet)) << to_string(up->lease->subnet);
        carried.emplace(up->lease->subnet, up->lease);
      } else {
        ASSERT_EQ(carried.erase(std::get<PeerDown>(change).lease->subnet), 1U);
      }
    }
    std::map<SubnetKey, Lease> leases;
    for (const auto& [subnet, listed] : peers.leases())
      leases.emplace(subnet, listed.lease);
    ASSERT_EQ(carried, leases);
    for (const auto& [subnet, lease] : leases) {
      const Lease* found = peers.find(subnet);
      ASSERT_NE(found, nullptr) << to_string(subnet);
      ASSERT_EQ(*found, lease);
    }
    for (const auto& [subnet, listed] : peers.table().leases()) {
      const Lease* found = peers.find(subnet);
      ASSERT_EQ(found != nullptr, leases.contains(subnet)) << to_string(subnet);
    }
    std::map<std::string, IpAddress> addresses;  // by MAC: the public IP to which it leads
    for (const auto& [subnet, lease] : carried) {
      const LeaseAttributes& peer = lease.attributes;
      if (peer.backend_data.empty() || HostIdentity(kUs).owns(lease)) continue;
      const IpAddress first =
          addresses.try_emplace(peer.backend_data, peer.public_ip).first->second;
      ASSERT_EQ(first, peer.public_ip) << peer.backend_data;
    }
  }
  void happen() {
    if (store.empty() || below(3) > 0) {
      Record put = any_record();
      store.insert_or_assign(put.key, put);
      if (heard) carry_out(peers.on_changes(now, {RecordPut{std::move(put)}}));
    } else {
      const auto victim =
          std::next(store.begin(), static_cast<std::ptrdiff_t>(below(store.size())));
      const std::string key = victim->first;
      store.erase(victim);
      ++revision;
      if (heard) carry_out(peers.on_changes(now, {RecordGone{key, revision}}));
    }
  }
  void list_all() {
    Snapshot all;
    all.config = ConfigRecord{"{}", 1};
    for (const auto& [key, record] : store)
      all.records.push_back(record);
    carry_out(peers.on_snapshot(now, all));
    heard = true;
  }

  static constexpr IpAddress kUs = IpAddress::v4(192, 0, 2, 1);
  std::mt19937 chance{1};
  TimePoint now{hours(1)};
  Revision revision = 0;
  bool heard = true;  // what happens; or else the next list tells of it
  KnownPeers peers{LeaseTable({IpPrefix::parse_v4("10.5.0.0/16").value()}), kUs,
                   [](std::uint64_t) { return std::uint64_t{0}; }};
  std::map<std::string, Record> store;
  std::map<SubnetKey, Lease> carried;
};

TEST_F(KnownPeersAtRandomTest, TheChangesAddUpToWhatHolds) {
  for (int run = 0; run < 300 && !HasFatalFailure(); ++run) {
    for (int i = 0; i < 40 && !HasFatalFailure(); ++i) {
      happen();
      if (below(3) == 0) now += milliseconds(below(below(10) == 0 ? 40'000 : 2000));
      if (below(20) == 0) heard = false;
      if (below(heard ? 20 : 5) == 0) list_all();
      if (heard) carry_out(peers.tick(now));
    }
    list_all();
    while (peers.grace_end() != kNever || peers.recheck_at() != kNever) {
      now = std::min(peers.grace_end(), peers.recheck_at());
      if (now == peers.recheck_at()) list_all();
      carry_out(peers.tick(now));
    }
    std::map<SubnetKey, Lease> stored;
    for (const auto& [subnet, listed] : peers.table().leases())
      stored.emplace(subnet, listed.lease);
    ASSERT_EQ(carried, stored) << "run " << run;
  }
}

}  // namespace
}  // namespace flannel::known_peers_random_test
