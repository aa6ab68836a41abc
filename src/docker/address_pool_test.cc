// SPDX-License-Identifier: Apache-2.0
#include "docker/address_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace flannel::address_pool_test {
namespace {

IpPrefix net(const std::string& text) {
  return IpPrefix::parse(text).value();
}

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

AddressPool pool_of(const std::string& subnet) {
  return AddressPool({.network = "", .subnet = net(subnet)});
}

TEST(AddressPoolTest, GivesEachAddressOnceAndThenWords) {
  AddressPool pool = pool_of("10.5.34.0/24");
  ASSERT_TRUE(pool.take_gateway(pool.gateway()));
  EXPECT_EQ(pool.room(), 253U);
  std::set<IpAddress> given;
  for (int i = 0; i < 253; ++i) {
    const auto address = pool.take_next();
    ASSERT_TRUE(address.has_value()) << address.error().text;
    EXPECT_TRUE(given.insert(*address).second) << to_string(*address);
  }
  EXPECT_EQ(*given.begin(), ip("10.5.34.2"));
  EXPECT_EQ(*given.rbegin(), ip("10.5.34.254"));
  EXPECT_EQ(pool.containers(), 253U);
  EXPECT_EQ(pool.take_next().error().kind, ErrorKind::exhausted);
  pool.give_back(ip("10.5.34.77"));
  EXPECT_EQ(pool.take_next(), ip("10.5.34.77"));
}

TEST(AddressPoolTest, GoesRoundBeforeItUsesAnAddressAgain) {
  AddressPool pool = pool_of("10.5.34.0/29");
  std::vector<IpAddress> given;
  for (int i = 0; i < 6; ++i) {
    given.push_back(*pool.take_next());
    pool.give_back(given.back());
  }
  EXPECT_EQ(given, (std::vector{ip("10.5.34.2"), ip("10.5.34.3"), ip("10.5.34.4"), ip("10.5.34.5"),
                                ip("10.5.34.6"), ip("10.5.34.2")}));
}

TEST(AddressPoolTest, HasRoomInSubnetsOfAllLengths) {
  EXPECT_EQ(pool_of("10.5.34.0/30").room(), 1U);
  EXPECT_EQ(pool_of("10.5.34.0/31").room(), 0U);
  EXPECT_EQ(pool_of("10.5.34.0/32").room(), 0U);
  EXPECT_EQ(pool_of("fd00:5:0:1::/126").room(), 2U);
  EXPECT_GT(pool_of("fd00:5:0:1::/64").room(), std::uint64_t{1} << 63);
  for (const char* subnet : {"10.5.34.0/31", "10.5.34.0/32", "255.255.255.255/32", "fd00::1/128"}) {
    AddressPool pool = pool_of(subnet);
    EXPECT_FALSE(pool.take_next()) << subnet;
    EXPECT_FALSE(pool.take_gateway(pool.gateway())) << subnet;
  }
  AddressPool last = pool_of("255.255.255.0/24");
  for (int i = 0; i < 253; ++i)
    ASSERT_TRUE(last.take_next());
  EXPECT_FALSE(last.take_next());
  AddressPool v6 = pool_of("fd00:5:0:1::/64");
  EXPECT_EQ(v6.take_next(), ip("fd00:5:0:1::2"));
}

TEST(AddressPoolTest, TakesWhatIsAskedForByName) {
  AddressPool pool = pool_of("10.5.34.0/24");
  ASSERT_TRUE(pool.take_gateway(ip("10.5.34.254")));
  EXPECT_TRUE(pool.take(ip("10.5.34.1")));
  EXPECT_EQ(pool.take(ip("10.5.34.1")).error().text, "the address 10.5.34.1 is taken");
  for (const char* address : {"10.5.34.0", "10.5.34.255", "10.5.35.7", "fd00::1"}) {
    EXPECT_EQ(pool.take(ip(address)).error().kind, ErrorKind::invalid) << address;
  }
  EXPECT_EQ(pool.take(ip("10.5.34.254")).error().kind, ErrorKind::exists);
  EXPECT_TRUE(pool.take_gateway(ip("10.5.34.254"))) << "Docker names the gateway again";
  EXPECT_EQ(pool.containers(), 1U);
}

// A pool against a model: the addresses that Docker uses. Calls are lost in both directions, as by
// a daemon that is killed, and the engine starts anew, with its replay or without.
class RandomHistory {
 public:
  explicit RandomHistory(unsigned seed) : random_(seed) {}

  void step() {
    switch (random_() % 8) {
      case 0:
        return restart();
      case 1:
      case 2:
        return give_back(random_() % 3 == 0);
      default:
        return take(random_() % 8 == 0);
    }
  }

  // All that is used is taken; after a replay nothing else is.
  void check() const {
    for (const IpAddress& address : used_)
      ASSERT_TRUE(pool_.state().addresses.contains(address)) << to_string(address);
    if (is_exact_) {
      ASSERT_EQ(pool_.containers(), used_.size());
    }
  }

 private:
  void take(bool answer_is_lost) {
    const auto address = pool_.take_next();
    if (!address) {
      ASSERT_GE(pool_.containers(), pool_.room());
      return;
    }
    ASSERT_FALSE(used_.contains(*address)) << to_string(*address) << " is given twice";
    if (!answer_is_lost) used_.insert(*address);
    is_exact_ = is_exact_ && !answer_is_lost;
  }

  void give_back(bool call_is_lost) {
    if (used_.empty()) return;
    const auto one = std::next(used_.begin(), static_cast<long>(random_() % used_.size()));
    if (!call_is_lost) pool_.give_back(*one);
    is_exact_ = is_exact_ && !call_is_lost;
    used_.erase(one);
  }

  void restart() {
    pool_.doubt_all();
    if (random_() % 3 == 0) return;  // the plugin was away, and there is no replay
    ASSERT_TRUE(pool_.take_gateway(pool_.gateway()));
    pool_.begin_replay();
    for (const IpAddress& address : used_)
      ASSERT_TRUE(pool_.take(address)) << to_string(address);
    pool_.end_replay();
    is_exact_ = true;
  }

  std::mt19937 random_;
  AddressPool pool_ = pool_of("10.5.34.0/27");
  std::set<IpAddress> used_;
  bool is_exact_ = true;
};

TEST(AddressPoolTest, NoHistoryGivesAnAddressTwiceOrLosesOneForEver) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomHistory history(seed);
    for (int i = 0; i < 200; ++i) {
      history.step();
      history.check();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace flannel::address_pool_test
