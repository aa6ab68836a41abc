// SPDX-License-Identifier: Apache-2.0
#include "http/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace flannel::resolver_test {
namespace {

using std::chrono::milliseconds;

Result<Resolver::Addresses> wait_for(Resolver& resolver, const std::string& name) {
  std::promise<Result<Resolver::Addresses>> answer;
  resolver.look_up(name,
                   [&](const Result<Resolver::Addresses>& found) { answer.set_value(found); });
  return answer.get_future().get();
}

TEST(ResolverTest, TheSystemKnowsThisHost) {
  Resolver resolver;
  const auto found = wait_for(resolver, "localhost");
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_FALSE(found->empty());
}

TEST(ResolverTest, ALiteralAddressIsItsOwnAnswer) {
  Resolver resolver([](const std::string&) -> Result<Resolver::Addresses> { std::abort(); });
  for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
    EXPECT_EQ(wait_for(resolver, address).value(), Resolver::Addresses{address});
  }
}

TEST(ResolverTest, ANameThatDoesNotExistIsNamed) {
  Resolver resolver;
  const auto found = wait_for(resolver, "etcd1.invalid");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(found.error().text.starts_with("etcd1.invalid cannot be resolved: "))
      << found.error().text;
}

// A name server that takes longer than its caller waits would otherwise never be of use.
TEST(ResolverTest, ASlowAnswerIsKeptForTheNextCall) {
  std::atomic<int> asked = 0;
  Resolver resolver([&](const std::string&) {
    ++asked;
    std::this_thread::sleep_for(Resolver::kMoment + milliseconds(100));
    return Result<Resolver::Addresses>(Resolver::Addresses{"192.0.2.1"});
  });
  EXPECT_TRUE(wait_for(resolver, "slow"));
  EXPECT_TRUE(wait_for(resolver, "slow"));
  EXPECT_EQ(asked, 1);
}

TEST(ResolverTest, AQuickAnswerIsAskedForEachTime) {
  std::atomic<int> asked = 0;
  Resolver resolver([&](const std::string&) {
    return Result<Resolver::Addresses>(Resolver::Addresses{"192.0.2." + std::to_string(++asked)});
  });
  EXPECT_EQ(wait_for(resolver, "quick").value(), Resolver::Addresses{"192.0.2.1"});
  EXPECT_EQ(wait_for(resolver, "quick").value(), Resolver::Addresses{"192.0.2.2"});
}

}  // namespace
}  // namespace flannel::resolver_test
