// SPDX-License-Identifier: Apache-2.0
#include "daemon/scrub.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace flannel::scrub_test {
namespace {

std::string scrubbed(std::vector<std::string> words) {
  words.insert(words.begin(), "flanneld");
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  scrub_password(static_cast<int>(argv.size()), argv.data());
  std::string text;
  for (const std::string& word : words)
    text += word + " ";
  return text;
}

TEST(ScrubTest, ThePasswordIsOverwrittenInEveryFormOfTheFlag) {
  EXPECT_EQ(scrubbed({"--etcd-password=s3cret", "--iface=eth0"}),
            "flanneld --etcd-password=xxxxxx --iface=eth0 ");
  EXPECT_EQ(scrubbed({"-etcd-password=s3cret"}), "flanneld -etcd-password=xxxxxx ");
  EXPECT_EQ(scrubbed({"-etcd-password", "s3cret", "-v=1"}), "flanneld -etcd-password xxxxxx -v=1 ");
  EXPECT_EQ(scrubbed({"--etcd-password"}), "flanneld --etcd-password ");
}

TEST(ScrubTest, NothingElseIsTouched) {
  EXPECT_EQ(scrubbed({"--etcd-password-file=/etc/p", "--etcd-username=u", "etcd-password=x1"}),
            "flanneld --etcd-password-file=/etc/p --etcd-username=u etcd-password=x1 ");
}

TEST(ScrubTest, TheVariableIsGoneAndItsOldPlaceIsOverwritten) {
  char variable[] = "FLANNELD_ETCD_PASSWORD=s3cret";
  ASSERT_EQ(::putenv(variable), 0);
  scrubbed({});
  EXPECT_EQ(std::getenv("FLANNELD_ETCD_PASSWORD"), nullptr);
  EXPECT_STREQ(variable, "FLANNELD_ETCD_PASSWORD=xxxxxx");
}

}  // namespace
}  // namespace flannel::scrub_test
