// Before anything is drawn: the theme and the language, as chosen, else as the browser has them.
{
  const { documentElement: root } = document;
  const theme = localStorage.getItem("theme");
  if (theme) root.dataset.theme = theme;
  const languages = navigator.languages.length ? navigator.languages : [navigator.language];
  const preferred = languages.find((language) => /^(zh|en)\b/i.test(language)) ?? "en";
  const language = localStorage.getItem("language") ?? (/^zh/i.test(preferred) ? "zh" : "en");
  root.lang = language === "zh" ? "zh-CN" : "en";
}
