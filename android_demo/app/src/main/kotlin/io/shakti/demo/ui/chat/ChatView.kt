package io.shakti.demo.ui.chat

import android.content.Context
import android.os.SystemClock
import android.view.Gravity
import android.view.View
import android.widget.FrameLayout
import android.widget.LinearLayout
import io.shakti.demo.AppFailure
import io.shakti.demo.R
import io.shakti.demo.chat.ChatFacts
import io.shakti.demo.chat.ChatScreenState
import io.shakti.demo.chat.ChatState
import io.shakti.demo.chat.ModelFacts
import io.shakti.demo.ui.EngineUser
import io.shakti.demo.ui.WayOn
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.CappedFrame
import io.shakti.demo.ui.design.IconButton
import io.shakti.demo.ui.design.LowScroll
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.TopBar
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.pad
import io.shakti.demo.ui.text

/** The chat as [render] is told; what the person does goes to [actions]. */
class ChatView(context: Context, private val actions: ChatActions) : LinearLayout(context) {
    private val hasSide = context.resources.configuration.screenWidthDp >= TWO_PANES_DP
    private val bar = TopBar(context, context.getString(R.string.place_chat))
    private val conversation = ConversationView(context, actions)
    private val start = StartView(context, actions)
    private val middle = FrameLayout(context)
    private val toEnd = IconButton(
        context,
        R.drawable.ic_down,
        context.getString(R.string.to_end),
        ButtonStyle.TONAL,
    ) { conversation.toEnd() }
    private val banner = Banner(context)
    private val status = StatusLine(context)
    private val composer = Composer(context, actions)
    private val history = HistoryPane(context, actions, asPage = !hasSide)
    private val main = context.column()
    private val live = LiveRegion(context)

    init {
        orientation = HORIZONTAL
        if (hasSide) {
            add(history, width = dimen(R.dimen.side_pane), height = MATCH)
            val line = View(context).apply { setBackgroundColor(context.getColor(R.color.outline)) }
            add(line, width = 1, height = MATCH)
        } else {
            add(history, width = 0, height = MATCH, weight = 1f)
            addHistoryAction()
        }
        addAction(R.drawable.ic_add, R.string.new_chat, actions::newChat)
        bar.keepToOneLine()
        main.add(bar)
        main.add(live, height = 1)
        buildMiddle()
        main.add(CappedFrame(context).apply { addView(bottom(), MATCH, WRAP) })
        add(main, width = 0, height = MATCH, weight = 1f)
    }

    private fun addHistoryAction() =
        addAction(R.drawable.ic_history, R.string.history) { actions.showHistory(true) }

    private fun addAction(icon: Int, words: Int, run: () -> Unit) {
        val text = context.getString(words)
        bar.action(IconButton(context, icon, text, ink = R.color.text, onClick = run))
    }

    private fun buildMiddle() {
        middle.addView(conversation, MATCH, MATCH)
        middle.addView(start, MATCH, MATCH)
        val params = FrameLayout.LayoutParams(WRAP, WRAP, Gravity.BOTTOM or Gravity.CENTER_HORIZONTAL)
        params.bottomMargin = dimen(R.dimen.space_s)
        middle.addView(toEnd, params)
        toEnd.visibility = View.GONE
        conversation.onFollow = { toEnd.visibility = if (it) View.GONE else View.VISIBLE }
        main.add(middle, height = 0, weight = 1f)
    }

    private fun bottom() = context.column {
        pad(R.dimen.screen_margin, R.dimen.space_s)
        add(LowScroll(context, BANNER_SHARE).apply { addView(banner, MATCH, WRAP) })
        add(status, above = R.dimen.space_s)
        add(composer, above = R.dimen.space_s)
    }

    fun render(state: ChatScreenState) {
        val facts = state.chat.facts
        val onlyHistory = state.history.isOpen && !hasSide
        history.visibility = if (hasSide || onlyHistory) View.VISIBLE else View.GONE
        main.visibility = if (onlyHistory) View.GONE else View.VISIBLE
        history.show(state.history, facts.conversation.id)
        bar.setTitle(titleOf(facts))
        bar.setSubtitle(subtitleOf(state.chat))
        start.visibility = if (state.isBlank) View.VISIBLE else View.GONE
        conversation.visibility = if (state.isBlank) View.GONE else View.VISIBLE
        if (state.isBlank) start.show(startOf(state.chat))
        conversation.show(messagesOf(state.chat))
        status.show(facts)
        composer.show(state)
        showBanner(state)
        live.show(state.chat)
    }

    private fun startOf(chat: ChatState): Start = when (chat) {
        is ChatState.NoModel -> Start.NO_MODEL
        is ChatState.BrokenModel -> Start.INVITATION
        else -> Start.IDEAS
    }

    private fun titleOf(facts: ChatFacts): CharSequence {
        val asked = facts.conversation.turns.firstOrNull()?.text ?: return context.getString(R.string.place_chat)
        return asked.lineSequence().first().take(TITLE_LENGTH)
    }

    private fun subtitleOf(chat: ChatState): CharSequence? {
        val model = chat.facts.model ?: return null
        return when {
            chat is ChatState.LoadingModel -> context.getString(R.string.model_loading, model.name)
            model.isLoaded -> context.getString(R.string.model_loaded, model.name)
            else -> model.name
        }
    }

    /** The most pressing thing to be told; one at a time. */
    private fun showBanner(state: ChatScreenState) {
        val chat = state.chat
        val unsaved = chat.facts.unsaved
        when {
            chat is ChatState.Failed -> showFailure(chat.failure)
            chat is ChatState.BrokenModel -> showFailure(chat.failure)
            unsaved != null -> showFailure(unsaved, mayRetry = false)
            chat is ChatState.NoModel && !state.isBlank -> banner.show(
                BannerKind.WARNING,
                context.getString(R.string.no_model),
                actions = listOf(way(WayOn.CHOOSE_MODEL)),
            )
            state.otherUser != null ->
                banner.show(BannerKind.INFO, context.getString(busyWords(state.otherUser)))
            state.offersNotifications -> banner.show(
                BannerKind.INFO,
                context.getString(R.string.offer_notifications),
                actions = listOf(
                    BannerAction(context.getString(R.string.allow)) { actions.notify(true) },
                    BannerAction(context.getString(R.string.not_now)) { actions.notify(false) },
                ),
            )
            chat is ChatState.Ready && chat.facts.model?.loading == ModelFacts.Loading.PUT_AWAY ->
                banner.show(BannerKind.INFO, context.getString(R.string.put_away))
            else -> banner.hide()
        }
    }

    private fun busyWords(user: EngineUser) = when (user) {
        EngineUser.CHECK -> R.string.chat_busy_check
        EngineUser.BENCHMARK -> R.string.chat_busy_benchmark
        EngineUser.CHAT -> R.string.reading
    }

    private fun showFailure(failure: AppFailure, mayRetry: Boolean = true) {
        val (sentence, all) = failure.kind.text
        val ways = all.filter { mayRetry || it != WayOn.RETRY }.map(::way)
        banner.show(BannerKind.ERROR, context.getString(sentence), failure.message, ways)
    }

    private fun way(way: WayOn) = BannerAction(context.getString(way.words)) { actions.go(way) }

    private companion object {
        /** From this width on the kept chats stand beside the open one. */
        const val TWO_PANES_DP = 840
        const val TITLE_LENGTH = 60
        const val BANNER_SHARE = 0.45
    }
}

/** Nothing to see: what TalkBack says while an answer comes, a sentence at a time. */
private class LiveRegion(context: Context) : View(context) {
    private val announcer = StreamAnnouncer(EVERY_MS, SystemClock::elapsedRealtime)
    private var before: ChatState? = null

    init {
        accessibilityLiveRegion = ACCESSIBILITY_LIVE_REGION_POLITE
        importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_YES
    }

    fun show(state: ChatState) {
        val words = when (state) {
            is ChatState.LoadingModel -> context.getString(R.string.loading_model)
            is ChatState.Prefilling -> context.getString(R.string.reading)
            is ChatState.Answering -> announcer.next(state.text, isWhole = false)
            else -> ending(state)
        }
        if (state.isBusy && before?.isBusy != true) announcer.restart()
        if (words != null && words != contentDescription) contentDescription = words
        before = state
    }

    /** The rest of the answer, once. */
    private fun ending(state: ChatState): CharSequence? {
        if (before?.isBusy != true) return null
        val answer = state.facts.conversation.takeIf { !it.isWaiting }?.turns?.lastOrNull()
        return answer?.let { announcer.next(it.text, isWhole = true) }
    }

    private companion object {
        const val EVERY_MS = 3000L
    }
}
