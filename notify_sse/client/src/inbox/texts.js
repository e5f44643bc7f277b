// What the inbox says, in the languages that are shipped.

/** @import { InboxTexts } from "../../views/notify-inbox.js" */

/** @type {Readonly<InboxTexts>} */
const en = {
  title: "Notifications",
  bell: "Notifications, {n} unread",
  markAll: "Mark all as read",
  markRead: "Mark as read",
  markUnread: "Mark as unread",
  empty: "Nothing yet",
  older: "Load older ones",
  loading: "Loading…",
  end: "That is all",
  failed: "Notifications cannot be loaded now.",
  retry: "Try again",
  unread: "unread",
  close: "Close",
  desktop: "Also show on the desktop",
  arrived: "New notification: {title}",
};

/** @type {Readonly<InboxTexts>} */
const de = {
  title: "Mitteilungen",
  bell: "Mitteilungen, {n} ungelesen",
  markAll: "Alle als gelesen markieren",
  markRead: "Als gelesen markieren",
  markUnread: "Als ungelesen markieren",
  empty: "Noch nichts da",
  older: "Ältere laden",
  loading: "Wird geladen …",
  end: "Das ist alles",
  failed: "Mitteilungen können gerade nicht geladen werden.",
  retry: "Erneut versuchen",
  unread: "ungelesen",
  close: "Schließen",
  desktop: "Auch auf dem Desktop zeigen",
  arrived: "Neue Mitteilung: {title}",
};

/** @type {Readonly<InboxTexts>} */
const es = {
  title: "Notificaciones",
  bell: "Notificaciones, {n} sin leer",
  markAll: "Marcar todo como leído",
  markRead: "Marcar como leído",
  markUnread: "Marcar como no leído",
  empty: "Todavía no hay nada",
  older: "Cargar anteriores",
  loading: "Cargando…",
  end: "Eso es todo",
  failed: "Ahora no se pueden cargar las notificaciones.",
  retry: "Reintentar",
  unread: "sin leer",
  close: "Cerrar",
  desktop: "Mostrar también en el escritorio",
  arrived: "Notificación nueva: {title}",
};

/** @type {Record<string, Readonly<InboxTexts>>} */
const LANGUAGES = { en, de, es };

/**
 * The texts of a language, as `de-AT`; English for one that is not shipped.
 *
 * @param {string} language
 */
export function textsFor(language) {
  return LANGUAGES[language.toLowerCase().split("-")[0]] ?? en;
}
