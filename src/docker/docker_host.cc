// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_host.h"

#include "base/printable.h"

namespace flannel {

Result<std::string> parse_docker_host(std::string_view value) {
  if (value.empty()) return std::string(kDefaultDockerSocket);
  constexpr std::string_view kScheme = "unix://";
  if (value.starts_with(kScheme) && value.substr(kScheme.size()).starts_with('/')) {
    return std::string(value.substr(kScheme.size()));
  }
  return fail(ErrorKind::invalid, in_quotes(shortened(value)) +
                                      " is not unix:///PATH: the network is made in the Docker of "
                                      "this host, by its socket");
}

}  // namespace flannel
