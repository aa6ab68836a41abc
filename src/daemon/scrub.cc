// SPDX-License-Identifier: Apache-2.0
#include "daemon/scrub.h"

#include <sys/prctl.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace flannel {
namespace {

constexpr std::string_view kFlag = "etcd-password";
constexpr const char* kVariables[] = {"FLANNELD_ETCD_PASSWORD", "CONSUL_HTTP_TOKEN"};

void overwrite(char* text) {
  std::memset(text, 'x', std::strlen(text));
}

}  // namespace

void scrub_password(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word(argv[i]);
    if (!word.starts_with('-')) continue;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    if (!word.starts_with(kFlag)) continue;
    const std::string_view rest = word.substr(kFlag.size());
    if (rest.starts_with('=')) overwrite(argv[i] + std::strlen(argv[i]) - rest.size() + 1);
    if (rest.empty() && i + 1 < argc) overwrite(argv[++i]);
  }
  for (const char* variable : kVariables) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (char* value = std::getenv(variable)) {
      overwrite(value);
      ::unsetenv(variable);
    }
  }
}

void protect_memory() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace flannel
