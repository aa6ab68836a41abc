// SPDX-License-Identifier: Apache-2.0
#include "daemon/public_settings.h"

#include <gtest/gtest.h>

namespace flannel::public_settings_test {
namespace {

TEST(PublicSettingsTest, OthersSeeEachOptionAndNoSecret) {
  const Settings settings = {{"--etcd-password", {"hunter2"}},
                             {"--etcd-password-file", {"/etc/flannel/password"}},
                             {"--etcd-endpoints", {"https://u:hunter2@192.0.2.1:2379"}},
                             {"--consul-token-file", {""}},
                             {"--iface", {"eth0", "eth1"}},
                             {"CONSUL_HTTP_TOKEN", {"hunter2"}},
                             {"CONSUL_HTTP_AUTH", {"u:hunter2"}},
                             {"FLANNEL_OPTIONS", {"--etcd-password hunter2"}}};
  const Settings shown = {{"--etcd-password", {"(hidden)"}},
                          {"--etcd-password-file", {"/etc/flannel/password"}},
                          {"--etcd-endpoints", {"https://(hidden)@192.0.2.1:2379"}},
                          {"--consul-token-file", {""}},
                          {"--iface", {"eth0", "eth1"}},
                          {"CONSUL_HTTP_TOKEN", {"(hidden)"}},
                          {"CONSUL_HTTP_AUTH", {"(hidden)"}},
                          {"FLANNEL_OPTIONS", {"(hidden)"}}};
  EXPECT_EQ(public_settings(settings), shown);
  EXPECT_EQ(public_settings({{"--etcd-password", {""}}}), (Settings{{"--etcd-password", {""}}}))
      << "that there is none is no secret";
}

}  // namespace
}  // namespace flannel::public_settings_test
