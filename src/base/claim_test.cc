// SPDX-License-Identifier: Apache-2.0
#include "base/claim.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace flannel {
namespace {

// Of this process alone: test programs run side by side.
std::string name(const char* what) {
  return fmt::format("test-{}-{}", ::getpid(), what);
}

TEST(Claim, IsHeldByOneAndNamesItToTheOther) {
  const auto first = claim(name("a"));
  ASSERT_TRUE(first) << first.error().text;
  const auto second = claim(name("a"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::exists);
  EXPECT_EQ(second.error().text,
            fmt::format("{} belongs to another flanneld of this host, process {}", name("a"),
                        ::getpid()));
}

TEST(Claim, TheHolderIsStillNamedWhenManyHaveAsked) {
  const auto first = claim(name("b"));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(claim(name("b")).error().kind, ErrorKind::exists);
  }
}

TEST(Claim, EndsWithItsDescriptor) {
  { const auto first = claim(name("c")); }
  EXPECT_TRUE(claim(name("c")));
}

TEST(Claim, OfAnotherThingIsFree) {
  const auto first = claim(name("d"));
  EXPECT_TRUE(claim(name("dd")));
}

TEST(Claim, ANameThatDoesNotFitIsRefused) {
  EXPECT_EQ(claim(std::string(101, 'x')).error().kind, ErrorKind::invalid);
  EXPECT_TRUE(claim(std::string(90, 'x')));
}

}  // namespace
}  // namespace flannel
