// SPDX-License-Identifier: Apache-2.0
// The files of the status page, which embed.cmake makes into texts.
#pragma once

#include <string_view>

namespace flannel {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kDrawJs;
extern const std::string_view kMatrixJs;
extern const std::string_view kPageJs;

}  // namespace flannel
