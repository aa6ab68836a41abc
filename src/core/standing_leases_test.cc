// SPDX-License-Identifier: Apache-2.0
#include "core/standing_leases.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace flannel::standing_leases_test {
namespace {

ListedLease lease(const std::string& key, Revision created, std::uint8_t host = 1) {
  LeaseAttributes attributes;
  attributes.public_ip = IpAddress::v4(192, 0, 2, host);
  return {Lease{decode_subnet_key(key).value(), attributes}, created, created, true};
}

class StandingLeasesTest : public ::testing::Test {
 protected:
  void put(const std::string& key, Revision created) {
    leases.change(decode_subnet_key(key).value(), lease(key, created), quarantine);
  }
  void gone(const std::string& key) {
    leases.change(decode_subnet_key(key).value(), std::nullopt, quarantine);
  }
  // The cost of the changes since the last call.
  std::uint64_t cost() {
    const std::uint64_t before = std::exchange(cost_, leases.looked_at());
    return cost_ - before;
  }
  std::string standing() const {
    std::string text;
    for (const auto& [subnet, one] : leases.shown())
      text += one.key() + " ";
    return text;
  }

  Quarantine quarantine{Quarantine::kNameAll};
  StandingLeases leases;

 private:
  std::uint64_t cost_ = 0;
};

// The n-th /30 of 10.5.0.0/16.
std::string small(int n) {
  return fmt::format("10.5.{}.{}-30", n / 64, n % 64 * 4);
}
// Each n gives another lease for 10.5.1.0/24.
std::string twin(int n) {
  return fmt::format("10.5.1.0-24&fd00:{:x}::-56", n + 1);
}

TEST_F(StandingLeasesTest, AChangeInsideOfAWideLeaseThatWaitsCostsWorkForItselfAlone) {
  constexpr int kMany = 1000;
  put(small(0), 1);
  put("10.5.0.0-16", 2);
  put("10.5.0.0-17", 3);
  for (int n = 1; n < kMany; ++n)
    put(small(n), 10 + n);
  cost();
  for (int n = 1; n < kMany; ++n) {
    gone(small(n));
    put(small(n), 10 + kMany + n);
  }
  EXPECT_LT(cost(), 4 * kMany);
  EXPECT_EQ(leases.shown().size(), std::size_t{kMany});
}

TEST_F(StandingLeasesTest, OfLeasesOfOneRevisionTheOneWithTheSmallerTextOfItsKeyStands) {
  put("10.5.8.0-21", 1);
  put("10.5.10.0-24", 1);
  EXPECT_EQ(standing(), "10.5.10.0-24 ");
  leases.list({lease("10.5.10.0-24", 1), lease("10.5.8.0-21", 1)}, quarantine);
  EXPECT_EQ(standing(), "10.5.10.0-24 ");
  leases.list({lease("10.5.8.0-21", 1), lease("10.5.10.0-24", 1)}, quarantine);
  EXPECT_EQ(standing(), "10.5.10.0-24 ") << "in any order";
}

TEST_F(StandingLeasesTest, ManyLeasesForOneSubnetTakeTurnsAtLittleCost) {
  constexpr int kMany = 1000;
  for (int n = 0; n < kMany; ++n)
    put(twin(n), 1 + n);
  EXPECT_LT(cost(), kMany);
  for (int n = 0; n < kMany; ++n) {
    gone(twin(n));
    put(twin(n), 1 + kMany + n);
    ASSERT_EQ(standing(), twin((n + 1) % kMany) + " ");
  }
  EXPECT_LT(cost(), 4 * kMany);
  EXPECT_EQ(quarantine.named().size(), std::size_t{kMany} - 1);
}

// When one host's lease is removed, the next of all leases that wait for its subnet is found at
// once.
TEST_F(StandingLeasesTest, OwnersOfAWideSubnetTakeTurnsOverManyThatWait) {
  constexpr int kMany = 300;
  const auto wide = [](int n) { return fmt::format("10.5.0.0-16&fd00:{:x}::-56", n + 1); };
  for (int n = 0; n < kMany; ++n)
    put(wide(n), 1 + n);
  for (int n = 0; n < kMany; ++n)
    put(small(n), 1000 + n);
  cost();
  for (int n = 0; n + 1 < kMany; ++n)
    gone(wide(n));
  EXPECT_LT(cost(), 4 * kMany);
  gone(wide(kMany - 1));
  EXPECT_EQ(leases.shown().size(), std::size_t{kMany});
  EXPECT_TRUE(quarantine.named().empty());
}

TEST_F(StandingLeasesTest, ARenewedLeaseChecksNoLeaseThatWaitsForIt) {
  put("10.5.0.0-16", 1);
  for (int n = 0; n < 500; ++n)
    put(small(n), 2 + n);
  cost();
  put("10.5.0.0-16", 1);
  put(small(7), 9);
  EXPECT_EQ(cost(), 0U);
}

TEST_F(StandingLeasesTest, ReasonsFollowTheAddressOfTheOlderLease) {
  put("10.5.0.0-16", 1);
  put("10.5.1.0-24", 2);
  leases.change(decode_subnet_key("10.5.0.0-16").value(), lease("10.5.0.0-16", 1, 9), quarantine);
  EXPECT_EQ(quarantine.named().at("10.5.1.0-24").reason,
            "overlaps 10.5.0.0/16 of 192.0.2.9, which is older");
}

TEST_F(StandingLeasesTest, AHiddenLeaseKeepsItsSubnet) {
  put("10.5.1.0-24", 1);
  leases.hide(decode_subnet_key("10.5.1.0-24").value());
  put("10.5.0.0-16", 2);
  put("10.5.1.0-25", 3);
  EXPECT_EQ(standing(), "");
  EXPECT_EQ(quarantine.named().size(), 2U);
  put("10.5.1.0-24", 1);
  EXPECT_EQ(standing(), "10.5.1.0-24 ") << "who changes is looked at anew";
  leases.hide(decode_subnet_key("10.5.1.0-24").value());
  gone("10.5.1.0-24");
  EXPECT_EQ(standing(), "10.5.0.0-16 ");
}

// Decides by age, the oldest first: a lease that overlaps no standing lease stands.
std::string expected(const std::map<std::string, Revision>& created) {
  std::vector<std::pair<Revision, std::string>> by_age;
  for (const auto& [key, at] : created)
    by_age.emplace_back(at, key);
  std::sort(by_age.begin(), by_age.end());
  std::map<SubnetKey, std::string> standing;
  for (const auto& [at, key] : by_age) {
    const SubnetKey subnet = decode_subnet_key(key).value();
    const bool free = std::none_of(standing.begin(), standing.end(),
                                   [&](const auto& other) { return other.first.overlaps(subnet); });
    if (free) standing.emplace(subnet, key);
  }
  std::string text;
  for (const auto& [subnet, key] : standing)
    text += key + " ";
  return text;
}

TEST_F(StandingLeasesTest, TheStandingLeasesDependOnTheLeasesAlone) {
  std::vector<std::string> keys;
  for (int bits = 16; bits <= 22; ++bits) {
    for (int n = 0; n < std::min(1 << (bits - 16), 8); ++n) {
      const std::string v4 = fmt::format("10.5.{}.0-{}", n << (24 - bits), bits);
      keys.push_back(v4);
      keys.push_back(v4 + "&fd00::-56");
      if (bits % 2 == 0) keys.push_back(v4 + "&fd01::-56");
      keys.push_back(fmt::format("{}&fd02::{:x}-{}", v4, (n + 1) << 4, 124 + bits % 3));
      if (n < 3)
        keys.push_back(fmt::format("0.0.0.0-0&fd00:0:0:{:x}::-{}", (n + 1) << 6, bits + 42));
    }
  }
  std::mt19937 engine{3};
  const auto draw = [&](std::size_t bound) { return engine() % bound; };
  std::map<std::string, Revision> created;
  for (Revision at = 1; at < 6000; ++at) {
    const std::string& key = keys[draw(keys.size())];
    if (draw(2) == 0) {
      created.erase(key);
      gone(key);
    } else {
      // Sometimes the age is another or equal to another lease's, as after a store's restore to an
      // earlier state.
      if (draw(4) == 0) created[key] = static_cast<Revision>(draw(static_cast<std::size_t>(at)));
      created.try_emplace(key, at);
      put(key, created.at(key));
    }
    ASSERT_EQ(standing(), expected(created)) << "at " << at;
    ASSERT_EQ(quarantine.named().size() + leases.shown().size(), created.size()) << "at " << at;
  }
}

}  // namespace
}  // namespace flannel::standing_leases_test
